// Original file: proto/spire/api/types/jointoken.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A secret that lets one node attest once.
 */
export interface JoinToken {
  'value'?: (string);
  /**
   * Seconds since 1970.
   */
  'expires_at'?: (number | string | Long);
}

/**
 * A secret that lets one node attest once.
 */
export interface JoinToken__Output {
  'value': (string);
  /**
   * Seconds since 1970.
   */
  'expires_at': (string);
}
