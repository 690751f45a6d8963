// Original file: proto/assay/token/v1/one_time.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface CreateOneTimeResponse {
  'token'?: (string);
  /**
   * Of the entry.
   */
  'spiffe_id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * Seconds since 1970.
   */
  'expires_at'?: (number | string | Long);
}

export interface CreateOneTimeResponse__Output {
  'token': (string);
  /**
   * Of the entry.
   */
  'spiffe_id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * Seconds since 1970.
   */
  'expires_at': (string);
}
