// Original file: proto/grpc/health/v1/health.proto


export interface HealthCheckRequest {
  /**
   * Empty is the process as a whole.
   */
  'service'?: (string);
}

export interface HealthCheckRequest__Output {
  /**
   * Empty is the process as a whole.
   */
  'service': (string);
}
