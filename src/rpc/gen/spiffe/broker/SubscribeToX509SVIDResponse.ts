// Original file: proto/spiffe/broker/broker.proto

import type { X509SVID as _spiffe_broker_X509SVID, X509SVID__Output as _spiffe_broker_X509SVID__Output } from '../../spiffe/broker/X509SVID.ts';

export interface SubscribeToX509SVIDResponse {
  /**
   * The first one is the default identity.
   */
  'svids'?: (_spiffe_broker_X509SVID)[];
  'crl'?: (Buffer | Uint8Array | string)[];
  /**
   * Foreign trust domains only, by trust domain ID; concatenated DER.
   */
  'federated_bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface SubscribeToX509SVIDResponse__Output {
  /**
   * The first one is the default identity.
   */
  'svids': (_spiffe_broker_X509SVID__Output)[];
  'crl': (Buffer)[];
  /**
   * Foreign trust domains only, by trust domain ID; concatenated DER.
   */
  'federated_bundles': ({[key: string]: Buffer});
}
