// Original file: proto/spire/api/types/bundle.proto

import type { Long } from '@grpc/proto-loader';

export interface JWTKey {
  /**
   * SubjectPublicKeyInfo, DER.
   */
  'public_key'?: (Buffer | Uint8Array | string);
  /**
   * Goes into the `kid` header of tokens.
   */
  'key_id'?: (string);
  /**
   * Seconds since 1970; 0 is never.
   */
  'expires_at'?: (number | string | Long);
  'tainted'?: (boolean);
}

export interface JWTKey__Output {
  /**
   * SubjectPublicKeyInfo, DER.
   */
  'public_key': (Buffer);
  /**
   * Goes into the `kid` header of tokens.
   */
  'key_id': (string);
  /**
   * Seconds since 1970; 0 is never.
   */
  'expires_at': (string);
  'tainted': (boolean);
}
