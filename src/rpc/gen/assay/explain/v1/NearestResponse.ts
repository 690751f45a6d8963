// Original file: proto/assay/explain/v1/explain.proto

import type { NearEntry as _assay_explain_v1_NearEntry, NearEntry__Output as _assay_explain_v1_NearEntry__Output } from '../../../assay/explain/v1/NearEntry.ts';
import type { Long } from '@grpc/proto-loader';

export interface NearestResponse {
  /**
   * Those that match wholly first, then those that lack one selector and have another; at most ten.
   */
  'entries'?: (_assay_explain_v1_NearEntry)[];
  /**
   * The IDs whose entries the calling agent serves: its own, then those of the node aliases it falls under.
   */
  'parent_ids'?: (string)[];
  'revision'?: (number | string | Long);
}

export interface NearestResponse__Output {
  /**
   * Those that match wholly first, then those that lack one selector and have another; at most ten.
   */
  'entries': (_assay_explain_v1_NearEntry__Output)[];
  /**
   * The IDs whose entries the calling agent serves: its own, then those of the node aliases it falls under.
   */
  'parent_ids': (string)[];
  'revision': (string);
}
