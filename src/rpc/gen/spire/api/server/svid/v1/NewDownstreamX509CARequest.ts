// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface NewDownstreamX509CARequest {
  /**
   * PKCS #10, DER.
   */
  'csr'?: (Buffer | Uint8Array | string);
  /**
   * Seconds; 0 is the server's default.
   */
  'preferred_ttl'?: (number);
}

export interface NewDownstreamX509CARequest__Output {
  /**
   * PKCS #10, DER.
   */
  'csr': (Buffer);
  /**
   * Seconds; 0 is the server's default.
   */
  'preferred_ttl': (number);
}
