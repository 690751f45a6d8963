// Original file: proto/assay/sync/v1/sync.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Counts what operators asked of an agent.
 */
export interface Rotation {
  'number'?: (number | string | Long);
}

/**
 * Counts what operators asked of an agent.
 */
export interface Rotation__Output {
  'number': (string);
}
