// Original file: proto/workload.proto


export interface JWTSVIDRequest {
  /**
   * At least one.
   */
  'audience'?: (string)[];
  /**
   * Empty asks for all of the caller's.
   */
  'spiffe_id'?: (string);
}

export interface JWTSVIDRequest__Output {
  /**
   * At least one.
   */
  'audience': (string)[];
  /**
   * Empty asks for all of the caller's.
   */
  'spiffe_id': (string);
}
