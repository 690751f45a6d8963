// Original file: proto/assay/entry/v1/plan.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';

export interface _assay_entry_v1_CheckEntriesResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  /**
   * What an operator would be warned of.
   */
  'warnings'?: (string)[];
}

export interface _assay_entry_v1_CheckEntriesResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  /**
   * What an operator would be warned of.
   */
  'warnings': (string)[];
}

export interface CheckEntriesResponse {
  /**
   * One for each, in order.
   */
  'creates'?: (_assay_entry_v1_CheckEntriesResponse_Result)[];
  'updates'?: (_assay_entry_v1_CheckEntriesResponse_Result)[];
  'deletes'?: (_assay_entry_v1_CheckEntriesResponse_Result)[];
}

export interface CheckEntriesResponse__Output {
  /**
   * One for each, in order.
   */
  'creates': (_assay_entry_v1_CheckEntriesResponse_Result__Output)[];
  'updates': (_assay_entry_v1_CheckEntriesResponse_Result__Output)[];
  'deletes': (_assay_entry_v1_CheckEntriesResponse_Result__Output)[];
}
