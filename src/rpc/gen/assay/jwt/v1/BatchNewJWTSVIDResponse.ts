// Original file: proto/assay/jwt/v1/jwt.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';
import type { JWTSVID as _spire_api_types_JWTSVID, JWTSVID__Output as _spire_api_types_JWTSVID__Output } from '../../../spire/api/types/JWTSVID.ts';

export interface _assay_jwt_v1_BatchNewJWTSVIDResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'svid'?: (_spire_api_types_JWTSVID | null);
}

export interface _assay_jwt_v1_BatchNewJWTSVIDResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'svid': (_spire_api_types_JWTSVID__Output | null);
}

export interface BatchNewJWTSVIDResponse {
  /**
   * One for each of the params, in order.
   */
  'results'?: (_assay_jwt_v1_BatchNewJWTSVIDResponse_Result)[];
}

export interface BatchNewJWTSVIDResponse__Output {
  /**
   * One for each of the params, in order.
   */
  'results': (_assay_jwt_v1_BatchNewJWTSVIDResponse_Result__Output)[];
}
