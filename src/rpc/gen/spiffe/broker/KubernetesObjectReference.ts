// Original file: proto/spiffe/broker/broker.proto

import type { KubernetesObjectType as _spiffe_broker_KubernetesObjectType, KubernetesObjectType__Output as _spiffe_broker_KubernetesObjectType__Output } from '../../spiffe/broker/KubernetesObjectType.ts';
import type { KubernetesObjectKey as _spiffe_broker_KubernetesObjectKey, KubernetesObjectKey__Output as _spiffe_broker_KubernetesObjectKey__Output } from '../../spiffe/broker/KubernetesObjectKey.ts';

/**
 * An object of the cluster, by key, by uid, or by both, which then have to be those of one object.
 */
export interface KubernetesObjectReference {
  'type'?: (_spiffe_broker_KubernetesObjectType | null);
  'key'?: (_spiffe_broker_KubernetesObjectKey | null);
  'uid'?: (string);
}

/**
 * An object of the cluster, by key, by uid, or by both, which then have to be those of one object.
 */
export interface KubernetesObjectReference__Output {
  'type': (_spiffe_broker_KubernetesObjectType__Output | null);
  'key': (_spiffe_broker_KubernetesObjectKey__Output | null);
  'uid': (string);
}
