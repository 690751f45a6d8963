// Original file: proto/google/rpc/error_details.proto


/**
 * Why a call failed, for programs; travels among the details of a Status.
 */
export interface ErrorInfo {
  'reason'?: (string);
  /**
   * Who has given the reason its name.
   */
  'domain'?: (string);
  'metadata'?: ({[key: string]: string});
}

/**
 * Why a call failed, for programs; travels among the details of a Status.
 */
export interface ErrorInfo__Output {
  'reason': (string);
  /**
   * Who has given the reason its name.
   */
  'domain': (string);
  'metadata': ({[key: string]: string});
}
