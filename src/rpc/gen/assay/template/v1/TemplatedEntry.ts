// Original file: proto/assay/template/v1/template.proto

import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../spire/api/types/Entry.ts';
import type { Template as _assay_template_v1_Template, Template__Output as _assay_template_v1_Template__Output } from '../../../assay/template/v1/Template.ts';

export interface TemplatedEntry {
  'entry'?: (_spire_api_types_Entry | null);
  'template'?: (_assay_template_v1_Template | null);
}

export interface TemplatedEntry__Output {
  'entry': (_spire_api_types_Entry__Output | null);
  'template': (_assay_template_v1_Template__Output | null);
}
