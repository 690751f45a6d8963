// Original file: proto/assay/provision/v1/provision.proto

import type { Long } from '@grpc/proto-loader';

export interface Grant {
  /**
   * SHA-256 of the token, lower-case hex.
   */
  'token_hash'?: (string);
  'common_name'?: (string);
  'dns_names'?: (string)[];
  'ip_addresses'?: (string)[];
  'life'?: (number | string | Long);
  'spiffe_id'?: (string);
  'entry_id'?: (string);
  'granted_by'?: (string);
  /**
   * Seconds since 1970.
   */
  'created_at'?: (number | string | Long);
  'expires_at'?: (number | string | Long);
  'failures'?: (number);
  'withdrawn'?: (boolean);
  /**
   * Of the certificate that it was used for, the newest one; empty: it was not used.
   */
  'serial'?: (string);
  'not_after'?: (number | string | Long);
}

export interface Grant__Output {
  /**
   * SHA-256 of the token, lower-case hex.
   */
  'token_hash': (string);
  'common_name': (string);
  'dns_names': (string)[];
  'ip_addresses': (string)[];
  'life': (string);
  'spiffe_id': (string);
  'entry_id': (string);
  'granted_by': (string);
  /**
   * Seconds since 1970.
   */
  'created_at': (string);
  'expires_at': (string);
  'failures': (number);
  'withdrawn': (boolean);
  /**
   * Of the certificate that it was used for, the newest one; empty: it was not used.
   */
  'serial': (string);
  'not_after': (string);
}
