// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface NewX509SVIDParams {
  'entry_id'?: (string);
  /**
   * PKCS #10, DER; only its public key and signature count.
   */
  'csr'?: (Buffer | Uint8Array | string);
}

export interface NewX509SVIDParams__Output {
  'entry_id': (string);
  /**
   * PKCS #10, DER; only its public key and signature count.
   */
  'csr': (Buffer);
}
