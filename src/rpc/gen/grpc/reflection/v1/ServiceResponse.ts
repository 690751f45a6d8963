// Original file: proto/grpc/reflection/v1/reflection.proto


export interface ServiceResponse {
  /**
   * Fully qualified.
   */
  'name'?: (string);
}

export interface ServiceResponse__Output {
  /**
   * Fully qualified.
   */
  'name': (string);
}
