// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface NewWITSVIDParams {
  'entry_id'?: (string);
  /**
   * SubjectPublicKeyInfo, DER.
   */
  'public_key'?: (Buffer | Uint8Array | string);
  /**
   * JWS name of the algorithm the key's holder will sign with.
   */
  'signing_algorithm'?: (string);
}

export interface NewWITSVIDParams__Output {
  'entry_id': (string);
  /**
   * SubjectPublicKeyInfo, DER.
   */
  'public_key': (Buffer);
  /**
   * JWS name of the algorithm the key's holder will sign with.
   */
  'signing_algorithm': (string);
}
