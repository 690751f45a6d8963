// Original file: proto/workload.proto


export interface X509BundlesResponse {
  'crl'?: (Buffer | Uint8Array | string)[];
  /**
   * Own and foreign, by trust domain ID; concatenated DER.
   */
  'bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface X509BundlesResponse__Output {
  'crl': (Buffer)[];
  /**
   * Own and foreign, by trust domain ID; concatenated DER.
   */
  'bundles': ({[key: string]: Buffer});
}
