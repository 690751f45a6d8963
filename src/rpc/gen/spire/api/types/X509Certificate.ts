// Original file: proto/spire/api/types/bundle.proto


export interface X509Certificate {
  /**
   * One certificate, DER.
   */
  'asn1'?: (Buffer | Uint8Array | string);
  /**
   * Still verifies; whoever holds an SVID under it should get a new one.
   */
  'tainted'?: (boolean);
}

export interface X509Certificate__Output {
  /**
   * One certificate, DER.
   */
  'asn1': (Buffer);
  /**
   * Still verifies; whoever holds an SVID under it should get a new one.
   */
  'tainted': (boolean);
}
