// Original file: proto/assay/entry/v1/plan.proto

import type { TemplatedEntry as _assay_template_v1_TemplatedEntry, TemplatedEntry__Output as _assay_template_v1_TemplatedEntry__Output } from '../../../assay/template/v1/TemplatedEntry.ts';
import type { EntryChange as _assay_entry_v1_EntryChange, EntryChange__Output as _assay_entry_v1_EntryChange__Output } from '../../../assay/entry/v1/EntryChange.ts';

export interface CheckEntriesRequest {
  /**
   * To be created; without a template it is an entry as SPIRE knows it.
   */
  'creates'?: (_assay_template_v1_TemplatedEntry)[];
  'updates'?: (_assay_entry_v1_EntryChange)[];
  /**
   * Ids of entries to be deleted after that.
   */
  'deletes'?: (string)[];
}

export interface CheckEntriesRequest__Output {
  /**
   * To be created; without a template it is an entry as SPIRE knows it.
   */
  'creates': (_assay_template_v1_TemplatedEntry__Output)[];
  'updates': (_assay_entry_v1_EntryChange__Output)[];
  /**
   * Ids of entries to be deleted after that.
   */
  'deletes': (string)[];
}
