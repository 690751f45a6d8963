// Original file: proto/workload.proto


export interface ValidateJWTSVIDRequest {
  /**
   * The one that the token must name.
   */
  'audience'?: (string);
  'svid'?: (string);
}

export interface ValidateJWTSVIDRequest__Output {
  /**
   * The one that the token must name.
   */
  'audience': (string);
  'svid': (string);
}
