// Original file: proto/assay/provision/v1/provision.proto

import type { Grant as _assay_provision_v1_Grant, Grant__Output as _assay_provision_v1_Grant__Output } from '../../../assay/provision/v1/Grant.ts';

export interface AuthorizeResponse {
  'token'?: (string);
  'grant'?: (_assay_provision_v1_Grant | null);
  /**
   * SHA-256 of the roots above the listener's own certificate, lower-case hex; none when that is not the server's own.
   */
  'ca_fingerprints'?: (string)[];
}

export interface AuthorizeResponse__Output {
  'token': (string);
  'grant': (_assay_provision_v1_Grant__Output | null);
  /**
   * SHA-256 of the roots above the listener's own certificate, lower-case hex; none when that is not the server's own.
   */
  'ca_fingerprints': (string)[];
}
