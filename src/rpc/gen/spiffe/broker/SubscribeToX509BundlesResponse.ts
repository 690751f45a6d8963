// Original file: proto/spiffe/broker/broker.proto


export interface SubscribeToX509BundlesResponse {
  'crl'?: (Buffer | Uint8Array | string)[];
  /**
   * Own and foreign, by trust domain ID; concatenated DER.
   */
  'bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface SubscribeToX509BundlesResponse__Output {
  'crl': (Buffer)[];
  /**
   * Own and foreign, by trust domain ID; concatenated DER.
   */
  'bundles': ({[key: string]: Buffer});
}
