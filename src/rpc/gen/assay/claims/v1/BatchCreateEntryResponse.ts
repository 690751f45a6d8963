// Original file: proto/assay/claims/v1/claims.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';
import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../spire/api/types/Entry.ts';

export interface _assay_claims_v1_BatchCreateEntryResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  /**
   * The similar one that is there with ALREADY_EXISTS.
   */
  'entry'?: (_spire_api_types_Entry | null);
}

export interface _assay_claims_v1_BatchCreateEntryResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  /**
   * The similar one that is there with ALREADY_EXISTS.
   */
  'entry': (_spire_api_types_Entry__Output | null);
}

export interface BatchCreateEntryResponse {
  /**
   * One for each entry, in order.
   */
  'results'?: (_assay_claims_v1_BatchCreateEntryResponse_Result)[];
}

export interface BatchCreateEntryResponse__Output {
  /**
   * One for each entry, in order.
   */
  'results': (_assay_claims_v1_BatchCreateEntryResponse_Result__Output)[];
}
