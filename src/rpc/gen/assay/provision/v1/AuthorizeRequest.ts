// Original file: proto/assay/provision/v1/provision.proto

import type { Long } from '@grpc/proto-loader';

export interface AuthorizeRequest {
  'common_name'?: (string);
  /**
   * Empty: one is made.
   */
  'token'?: (string);
  /**
   * DNS names and IP addresses besides those that follow from the common name.
   */
  'names'?: (string)[];
  /**
   * Seconds; 0: the default.
   */
  'life'?: (number | string | Long);
  /**
   * Seconds that the token counts; 0: the default.
   */
  'ttl'?: (number | string | Long);
  /**
   * Empty: none.
   */
  'spiffe_id'?: (string);
  /**
   * Empty: none.
   */
  'entry_id'?: (string);
}

export interface AuthorizeRequest__Output {
  'common_name': (string);
  /**
   * Empty: one is made.
   */
  'token': (string);
  /**
   * DNS names and IP addresses besides those that follow from the common name.
   */
  'names': (string)[];
  /**
   * Seconds; 0: the default.
   */
  'life': (string);
  /**
   * Seconds that the token counts; 0: the default.
   */
  'ttl': (string);
  /**
   * Empty: none.
   */
  'spiffe_id': (string);
  /**
   * Empty: none.
   */
  'entry_id': (string);
}
