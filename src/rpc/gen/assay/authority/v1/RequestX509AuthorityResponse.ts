// Original file: proto/assay/authority/v1/authority.proto


export interface RequestX509AuthorityResponse {
  'authority_id'?: (string);
  /**
   * PKCS #10, DER.
   */
  'csr'?: (Buffer | Uint8Array | string);
}

export interface RequestX509AuthorityResponse__Output {
  'authority_id': (string);
  /**
   * PKCS #10, DER.
   */
  'csr': (Buffer);
}
