// Original file: proto/spire/api/types/attestation.proto


/**
 * What a node shows to prove itself.
 */
export interface AttestationData {
  /**
   * Name of the node attestor.
   */
  'type'?: (string);
  /**
   * Form and meaning belong to that attestor.
   */
  'payload'?: (Buffer | Uint8Array | string);
}

/**
 * What a node shows to prove itself.
 */
export interface AttestationData__Output {
  /**
   * Name of the node attestor.
   */
  'type': (string);
  /**
   * Form and meaning belong to that attestor.
   */
  'payload': (Buffer);
}
