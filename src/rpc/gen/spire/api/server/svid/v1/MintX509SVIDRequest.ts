// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface MintX509SVIDRequest {
  /**
   * PKCS #10, DER.
   */
  'csr'?: (Buffer | Uint8Array | string);
  /**
   * Seconds; 0 is the server's default.
   */
  'ttl'?: (number);
}

export interface MintX509SVIDRequest__Output {
  /**
   * PKCS #10, DER.
   */
  'csr': (Buffer);
  /**
   * Seconds; 0 is the server's default.
   */
  'ttl': (number);
}
