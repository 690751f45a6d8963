// Original file: proto/assay/rotation/v1/rotation.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';
import type { Long } from '@grpc/proto-loader';

export interface _assay_rotation_v1_BatchRotateEntryResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'id'?: (string);
  /**
   * The entry's new revision.
   */
  'revision_number'?: (number | string | Long);
}

export interface _assay_rotation_v1_BatchRotateEntryResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'id': (string);
  /**
   * The entry's new revision.
   */
  'revision_number': (string);
}

export interface BatchRotateEntryResponse {
  /**
   * One for each id, in order.
   */
  'results'?: (_assay_rotation_v1_BatchRotateEntryResponse_Result)[];
}

export interface BatchRotateEntryResponse__Output {
  /**
   * One for each id, in order.
   */
  'results': (_assay_rotation_v1_BatchRotateEntryResponse_Result__Output)[];
}
