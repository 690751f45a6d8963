// Original file: proto/assay/template/v1/template.proto

import type { EntryTemplate as _assay_template_v1_EntryTemplate, EntryTemplate__Output as _assay_template_v1_EntryTemplate__Output } from '../../../assay/template/v1/EntryTemplate.ts';

export interface BatchSetTemplateRequest {
  'templates'?: (_assay_template_v1_EntryTemplate)[];
}

export interface BatchSetTemplateRequest__Output {
  'templates': (_assay_template_v1_EntryTemplate__Output)[];
}
