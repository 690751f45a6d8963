// Original file: proto/spire/api/server/agent/v1/agent.proto


export interface AgentX509SVIDParams {
  /**
   * PKCS #10, DER; only its public key and signature count.
   */
  'csr'?: (Buffer | Uint8Array | string);
}

export interface AgentX509SVIDParams__Output {
  /**
   * PKCS #10, DER; only its public key and signature count.
   */
  'csr': (Buffer);
}
