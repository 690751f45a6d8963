// Original file: proto/spiffe/broker/broker.proto


export interface KubernetesObjectKey {
  'namespace'?: (string);
  'name'?: (string);
}

export interface KubernetesObjectKey__Output {
  'namespace': (string);
  'name': (string);
}
