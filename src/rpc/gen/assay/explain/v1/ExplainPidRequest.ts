// Original file: proto/assay/explain/v1/explain.proto


export interface ExplainPidRequest {
  /**
   * In the agent's PID namespace; 0: the last caller that has no PID there.
   */
  'pid'?: (number);
  /**
   * With pid 0: the last such caller of this user.
   */
  'uid'?: (number);
  '_uid'?: "uid";
}

export interface ExplainPidRequest__Output {
  /**
   * In the agent's PID namespace; 0: the last caller that has no PID there.
   */
  'pid': (number);
  /**
   * With pid 0: the last such caller of this user.
   */
  'uid'?: (number);
  '_uid'?: "uid";
}
