// Original file: proto/assay/sync/v1/sync.proto

import type { Long } from '@grpc/proto-loader';

export interface HeldEntry {
  'id'?: (string);
  'revision_number'?: (number | string | Long);
  /**
   * Seconds since 1970.
   */
  'created_at'?: (number | string | Long);
}

export interface HeldEntry__Output {
  'id': (string);
  'revision_number': (string);
  /**
   * Seconds since 1970.
   */
  'created_at': (string);
}
