// Original file: proto/assay/template/v1/template.proto

import type { Template as _assay_template_v1_Template, Template__Output as _assay_template_v1_Template__Output } from '../../../assay/template/v1/Template.ts';

export interface EntryTemplate {
  /**
   * Of the entry.
   */
  'id'?: (string);
  'template'?: (_assay_template_v1_Template | null);
}

export interface EntryTemplate__Output {
  /**
   * Of the entry.
   */
  'id': (string);
  'template': (_assay_template_v1_Template__Output | null);
}
