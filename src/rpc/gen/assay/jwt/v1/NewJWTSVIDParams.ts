// Original file: proto/assay/jwt/v1/jwt.proto


export interface NewJWTSVIDParams {
  'entry_id'?: (string);
  /**
   * At least one.
   */
  'audience'?: (string)[];
}

export interface NewJWTSVIDParams__Output {
  'entry_id': (string);
  /**
   * At least one.
   */
  'audience': (string)[];
}
