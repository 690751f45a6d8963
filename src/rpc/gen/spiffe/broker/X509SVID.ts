// Original file: proto/spiffe/broker/broker.proto


export interface X509SVID {
  'spiffe_id'?: (string);
  /**
   * Concatenated DER, leaf first.
   */
  'x509_svid'?: (Buffer | Uint8Array | string);
  /**
   * PKCS #8, DER.
   */
  'x509_svid_key'?: (Buffer | Uint8Array | string);
  /**
   * Roots of the own trust domain; concatenated DER.
   */
  'bundle'?: (Buffer | Uint8Array | string);
  'hint'?: (string);
}

export interface X509SVID__Output {
  'spiffe_id': (string);
  /**
   * Concatenated DER, leaf first.
   */
  'x509_svid': (Buffer);
  /**
   * PKCS #8, DER.
   */
  'x509_svid_key': (Buffer);
  /**
   * Roots of the own trust domain; concatenated DER.
   */
  'bundle': (Buffer);
  'hint': (string);
}
