// Original file: proto/spire/api/types/jwtsvid.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface JWTSVID {
  /**
   * Compact serialization.
   */
  'token'?: (string);
  'id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * Seconds since 1970, as is `issued_at`.
   */
  'expires_at'?: (number | string | Long);
  'issued_at'?: (number | string | Long);
  /**
   * Lets a workload with several SVIDs tell them apart.
   */
  'hint'?: (string);
}

export interface JWTSVID__Output {
  /**
   * Compact serialization.
   */
  'token': (string);
  'id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * Seconds since 1970, as is `issued_at`.
   */
  'expires_at': (string);
  'issued_at': (string);
  /**
   * Lets a workload with several SVIDs tell them apart.
   */
  'hint': (string);
}
