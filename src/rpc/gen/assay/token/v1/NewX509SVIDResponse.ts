// Original file: proto/assay/token/v1/token.proto

import type { X509SVID as _spire_api_types_X509SVID, X509SVID__Output as _spire_api_types_X509SVID__Output } from '../../../spire/api/types/X509SVID.ts';
import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../../spire/api/types/Bundle.ts';

export interface NewX509SVIDResponse {
  /**
   * All for the key of the csr; at least one.
   */
  'svids'?: (_spire_api_types_X509SVID)[];
  /**
   * The trust domain's own authorities.
   */
  'bundle'?: (_spire_api_types_Bundle | null);
  /**
   * Of the trust domains that the entries federate with, as far as the server knows them.
   */
  'federated_bundles'?: (_spire_api_types_Bundle)[];
}

export interface NewX509SVIDResponse__Output {
  /**
   * All for the key of the csr; at least one.
   */
  'svids': (_spire_api_types_X509SVID__Output)[];
  /**
   * The trust domain's own authorities.
   */
  'bundle': (_spire_api_types_Bundle__Output | null);
  /**
   * Of the trust domains that the entries federate with, as far as the server knows them.
   */
  'federated_bundles': (_spire_api_types_Bundle__Output)[];
}
