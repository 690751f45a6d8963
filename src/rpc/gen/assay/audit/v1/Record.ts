// Original file: proto/assay/audit/v1/audit.proto

import type { Long } from '@grpc/proto-loader';

export interface Record {
  'sequence'?: (number | string | Long);
  /**
   * The very line of the log, JSON, without its line break.
   */
  'line'?: (string);
}

export interface Record__Output {
  'sequence': (string);
  /**
   * The very line of the log, JSON, without its line break.
   */
  'line': (string);
}
