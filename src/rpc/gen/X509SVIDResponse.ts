// Original file: proto/workload.proto

import type { X509SVID as _X509SVID, X509SVID__Output as _X509SVID__Output } from './X509SVID.ts';

export interface X509SVIDResponse {
  /**
   * The first one is the default identity.
   */
  'svids'?: (_X509SVID)[];
  'crl'?: (Buffer | Uint8Array | string)[];
  /**
   * Foreign trust domains only, by trust domain ID; concatenated DER.
   */
  'federated_bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface X509SVIDResponse__Output {
  /**
   * The first one is the default identity.
   */
  'svids': (_X509SVID__Output)[];
  'crl': (Buffer)[];
  /**
   * Foreign trust domains only, by trust domain ID; concatenated DER.
   */
  'federated_bundles': ({[key: string]: Buffer});
}
