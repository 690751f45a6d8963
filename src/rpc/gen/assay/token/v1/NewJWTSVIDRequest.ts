// Original file: proto/assay/token/v1/token.proto


export interface NewJWTSVIDRequest {
  'token'?: (string);
  /**
   * Proves the key that the token is bound to; the SVIDs do not contain it.
   */
  'csr'?: (Buffer | Uint8Array | string);
  'spiffe_id'?: (string);
  /**
   * At least one.
   */
  'audience'?: (string)[];
}

export interface NewJWTSVIDRequest__Output {
  'token': (string);
  /**
   * Proves the key that the token is bound to; the SVIDs do not contain it.
   */
  'csr': (Buffer);
  'spiffe_id': (string);
  /**
   * At least one.
   */
  'audience': (string)[];
}
