// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto

import type { Long } from '@grpc/proto-loader';

export interface AuthorityState {
  /**
   * Subject key ID in hexadecimal for X.509, key ID for JWT and WIT.
   */
  'authority_id'?: (string);
  /**
   * Seconds since 1970.
   */
  'expires_at'?: (number | string | Long);
  /**
   * Who signed it; empty for a self-signed one.
   */
  'upstream_authority_subject_key_id'?: (string);
}

export interface AuthorityState__Output {
  /**
   * Subject key ID in hexadecimal for X.509, key ID for JWT and WIT.
   */
  'authority_id': (string);
  /**
   * Seconds since 1970.
   */
  'expires_at': (string);
  /**
   * Who signed it; empty for a self-signed one.
   */
  'upstream_authority_subject_key_id': (string);
}
