// Original file: proto/spire/api/server/bundle/v1/bundle.proto


// Original file: proto/spire/api/server/bundle/v1/bundle.proto

/**
 * What happens when entries still federate with the trust domain.
 */
export const _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode = {
  /**
   * Refuse.
   */
  RESTRICT: 'RESTRICT',
  /**
   * Delete those entries as well.
   */
  DELETE: 'DELETE',
  /**
   * Take the trust domain out of them.
   */
  DISSOCIATE: 'DISSOCIATE',
} as const;

/**
 * What happens when entries still federate with the trust domain.
 */
export type _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode =
  /**
   * Refuse.
   */
  | 'RESTRICT'
  | 0
  /**
   * Delete those entries as well.
   */
  | 'DELETE'
  | 1
  /**
   * Take the trust domain out of them.
   */
  | 'DISSOCIATE'
  | 2

/**
 * What happens when entries still federate with the trust domain.
 */
export type _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode__Output = typeof _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode[keyof typeof _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode]

export interface BatchDeleteFederatedBundleRequest {
  'trust_domains'?: (string)[];
  'mode'?: (_spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode);
}

export interface BatchDeleteFederatedBundleRequest__Output {
  'trust_domains': (string)[];
  'mode': (_spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest_Mode__Output);
}
