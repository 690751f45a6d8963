// Original file: proto/assay/token/v1/token.proto

import type { JWTSVID as _spire_api_types_JWTSVID, JWTSVID__Output as _spire_api_types_JWTSVID__Output } from '../../../spire/api/types/JWTSVID.ts';

export interface NewJWTSVIDResponse {
  /**
   * At least one.
   */
  'svids'?: (_spire_api_types_JWTSVID)[];
}

export interface NewJWTSVIDResponse__Output {
  /**
   * At least one.
   */
  'svids': (_spire_api_types_JWTSVID__Output)[];
}
