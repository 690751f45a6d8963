// Original file: proto/spiffe/broker/broker.proto


export interface JWTSVID {
  'spiffe_id'?: (string);
  /**
   * Compact serialization.
   */
  'svid'?: (string);
  'hint'?: (string);
}

export interface JWTSVID__Output {
  'spiffe_id': (string);
  /**
   * Compact serialization.
   */
  'svid': (string);
  'hint': (string);
}
