// Original file: proto/spire/api/types/status.proto


/**
 * Outcome of one item of a batch.
 */
export interface Status {
  /**
   * A gRPC status code.
   */
  'code'?: (number);
  'message'?: (string);
}

/**
 * Outcome of one item of a batch.
 */
export interface Status__Output {
  /**
   * A gRPC status code.
   */
  'code': (number);
  'message': (string);
}
