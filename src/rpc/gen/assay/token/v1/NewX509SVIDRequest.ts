// Original file: proto/assay/token/v1/token.proto


export interface NewX509SVIDRequest {
  /**
   * A signed JWT in compact form.
   */
  'token'?: (string);
  /**
   * ASN.1 DER PKCS #10 request; of it only the key and the proof that the caller has it count.
   */
  'csr'?: (Buffer | Uint8Array | string);
  /**
   * Of several identities only this one; empty: all.
   */
  'spiffe_id'?: (string);
}

export interface NewX509SVIDRequest__Output {
  /**
   * A signed JWT in compact form.
   */
  'token': (string);
  /**
   * ASN.1 DER PKCS #10 request; of it only the key and the proof that the caller has it count.
   */
  'csr': (Buffer);
  /**
   * Of several identities only this one; empty: all.
   */
  'spiffe_id': (string);
}
