// Original file: proto/assay/sync/v1/sync.proto

import type { Position as _assay_sync_v1_Position, Position__Output as _assay_sync_v1_Position__Output } from '../../../assay/sync/v1/Position.ts';
import type { HeldEntry as _assay_sync_v1_HeldEntry, HeldEntry__Output as _assay_sync_v1_HeldEntry__Output } from '../../../assay/sync/v1/HeldEntry.ts';

export interface FollowRequest {
  /**
   * Where the agent stands; nothing when it holds nothing.
   */
  'position'?: (_assay_sync_v1_Position | null);
  /**
   * All entries that it holds, with that position; in any order.
   */
  'held'?: (_assay_sync_v1_HeldEntry)[];
}

export interface FollowRequest__Output {
  /**
   * Where the agent stands; nothing when it holds nothing.
   */
  'position': (_assay_sync_v1_Position__Output | null);
  /**
   * All entries that it holds, with that position; in any order.
   */
  'held': (_assay_sync_v1_HeldEntry__Output)[];
}
