// Original file: proto/assay/entry/v1/plan.proto

import type { EntryWithClaims as _assay_claims_v1_EntryWithClaims, EntryWithClaims__Output as _assay_claims_v1_EntryWithClaims__Output } from '../../../assay/claims/v1/EntryWithClaims.ts';
import type { EntryChange as _assay_entry_v1_EntryChange, EntryChange__Output as _assay_entry_v1_EntryChange__Output } from '../../../assay/entry/v1/EntryChange.ts';

export interface CheckEntriesRequest {
  /**
   * To be created; without template and claims it is an entry as SPIRE knows it.
   */
  'creates'?: (_assay_claims_v1_EntryWithClaims)[];
  'updates'?: (_assay_entry_v1_EntryChange)[];
  /**
   * Ids of entries to be deleted after that.
   */
  'deletes'?: (string)[];
}

export interface CheckEntriesRequest__Output {
  /**
   * To be created; without template and claims it is an entry as SPIRE knows it.
   */
  'creates': (_assay_claims_v1_EntryWithClaims__Output)[];
  'updates': (_assay_entry_v1_EntryChange__Output)[];
  /**
   * Ids of entries to be deleted after that.
   */
  'deletes': (string)[];
}
