// Original file: proto/assay/explain/v1/explain.proto


export interface ExplainPidRequest {
  /**
   * In the agent's PID namespace.
   */
  'pid'?: (number);
}

export interface ExplainPidRequest__Output {
  /**
   * In the agent's PID namespace.
   */
  'pid': (number);
}
