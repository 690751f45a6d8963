// Original file: proto/assay/authority/v1/authority.proto


export interface GetX509RootsResponse {
  'trust_domain'?: (string);
  /**
   * DER, each once: of all authorities that are prepared, active, or old and not ended.
   */
  'roots'?: (Buffer | Uint8Array | string)[];
}

export interface GetX509RootsResponse__Output {
  'trust_domain': (string);
  /**
   * DER, each once: of all authorities that are prepared, active, or old and not ended.
   */
  'roots': (Buffer)[];
}
