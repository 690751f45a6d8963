// Original file: proto/workload.proto


export interface WITSVID {
  'spiffe_id'?: (string);
  /**
   * Compact serialization.
   */
  'wit_svid'?: (string);
  /**
   * A private JWK.
   */
  'wit_svid_key'?: (string);
  'hint'?: (string);
}

export interface WITSVID__Output {
  'spiffe_id': (string);
  /**
   * Compact serialization.
   */
  'wit_svid': (string);
  /**
   * A private JWK.
   */
  'wit_svid_key': (string);
  'hint': (string);
}
