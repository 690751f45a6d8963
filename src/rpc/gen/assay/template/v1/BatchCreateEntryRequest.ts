// Original file: proto/assay/template/v1/template.proto

import type { TemplatedEntry as _assay_template_v1_TemplatedEntry, TemplatedEntry__Output as _assay_template_v1_TemplatedEntry__Output } from '../../../assay/template/v1/TemplatedEntry.ts';

export interface BatchCreateEntryRequest {
  'entries'?: (_assay_template_v1_TemplatedEntry)[];
}

export interface BatchCreateEntryRequest__Output {
  'entries': (_assay_template_v1_TemplatedEntry__Output)[];
}
