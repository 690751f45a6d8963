// Original file: proto/workload.proto


export interface WITSVIDRequest {
  /**
   * Empty asks for all of the caller's.
   */
  'spiffe_id'?: (string);
}

export interface WITSVIDRequest__Output {
  /**
   * Empty asks for all of the caller's.
   */
  'spiffe_id': (string);
}
