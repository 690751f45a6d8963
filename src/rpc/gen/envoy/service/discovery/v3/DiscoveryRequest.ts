// Original file: proto/envoy/service/discovery/v3/discovery.proto

import type { Node as _envoy_config_core_v3_Node, Node__Output as _envoy_config_core_v3_Node__Output } from '../../../../envoy/config/core/v3/Node.ts';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from '../../../../google/rpc/Status.ts';

/**
 * State of the world: every request names all that is wanted, every response holds all of it.
 */
export interface DiscoveryRequest {
  /**
   * Of the last response that was applied.
   */
  'version_info'?: (string);
  /**
   * On the first request of a stream only.
   */
  'node'?: (_envoy_config_core_v3_Node | null);
  'resource_names'?: (string)[];
  'type_url'?: (string);
  /**
   * Of the response that this one acknowledges or rejects.
   */
  'response_nonce'?: (string);
  /**
   * There when the response was rejected.
   */
  'error_detail'?: (_google_rpc_Status | null);
}

/**
 * State of the world: every request names all that is wanted, every response holds all of it.
 */
export interface DiscoveryRequest__Output {
  /**
   * Of the last response that was applied.
   */
  'version_info': (string);
  /**
   * On the first request of a stream only.
   */
  'node': (_envoy_config_core_v3_Node__Output | null);
  'resource_names': (string)[];
  'type_url': (string);
  /**
   * Of the response that this one acknowledges or rejects.
   */
  'response_nonce': (string);
  /**
   * There when the response was rejected.
   */
  'error_detail': (_google_rpc_Status__Output | null);
}
