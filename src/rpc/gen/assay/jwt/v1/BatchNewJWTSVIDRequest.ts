// Original file: proto/assay/jwt/v1/jwt.proto

import type { NewJWTSVIDParams as _assay_jwt_v1_NewJWTSVIDParams, NewJWTSVIDParams__Output as _assay_jwt_v1_NewJWTSVIDParams__Output } from '../../../assay/jwt/v1/NewJWTSVIDParams.ts';

export interface BatchNewJWTSVIDRequest {
  /**
   * At most 100.
   */
  'params'?: (_assay_jwt_v1_NewJWTSVIDParams)[];
}

export interface BatchNewJWTSVIDRequest__Output {
  /**
   * At most 100.
   */
  'params': (_assay_jwt_v1_NewJWTSVIDParams__Output)[];
}
