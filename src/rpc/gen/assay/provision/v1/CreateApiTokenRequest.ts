// Original file: proto/assay/provision/v1/provision.proto

import type { Long } from '@grpc/proto-loader';

export interface CreateApiTokenRequest {
  /**
   * Letters, digits, dots, underscores and dashes; unique.
   */
  'name'?: (string);
  /**
   * Seconds.
   */
  'ttl'?: (number | string | Long);
  /**
   * Names that it may authorize; *.example.org: all below; none: any.
   */
  'allow_names'?: (string)[];
  /**
   * Whether it may authorize SPIFFE IDs and entries.
   */
  'allow_entries'?: (boolean);
}

export interface CreateApiTokenRequest__Output {
  /**
   * Letters, digits, dots, underscores and dashes; unique.
   */
  'name': (string);
  /**
   * Seconds.
   */
  'ttl': (string);
  /**
   * Names that it may authorize; *.example.org: all below; none: any.
   */
  'allow_names': (string)[];
  /**
   * Whether it may authorize SPIFFE IDs and entries.
   */
  'allow_entries': (boolean);
}
