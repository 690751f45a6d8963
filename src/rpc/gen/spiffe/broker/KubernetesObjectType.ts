// Original file: proto/spiffe/broker/broker.proto


/**
 * A kind of Kubernetes object: `pods` of the group `core`.
 */
export interface KubernetesObjectType {
  'plural'?: (string);
  /**
   * `core` for resources of the core group.
   */
  'group'?: (string);
}

/**
 * A kind of Kubernetes object: `pods` of the group `core`.
 */
export interface KubernetesObjectType__Output {
  'plural': (string);
  /**
   * `core` for resources of the core group.
   */
  'group': (string);
}
