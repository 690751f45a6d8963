// Original file: proto/assay/provision/v1/provision.proto

import type { Long } from '@grpc/proto-loader';

export interface ApiToken {
  'name'?: (string);
  /**
   * SHA-256 of the token, lower-case hex.
   */
  'token_hash'?: (string);
  'allow_names'?: (string)[];
  'allow_entries'?: (boolean);
  'created_at'?: (number | string | Long);
  'expires_at'?: (number | string | Long);
}

export interface ApiToken__Output {
  'name': (string);
  /**
   * SHA-256 of the token, lower-case hex.
   */
  'token_hash': (string);
  'allow_names': (string)[];
  'allow_entries': (boolean);
  'created_at': (string);
  'expires_at': (string);
}
