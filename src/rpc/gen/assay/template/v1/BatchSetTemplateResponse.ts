// Original file: proto/assay/template/v1/template.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';

export interface _assay_template_v1_BatchSetTemplateResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'id'?: (string);
}

export interface _assay_template_v1_BatchSetTemplateResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'id': (string);
}

export interface BatchSetTemplateResponse {
  /**
   * One for each template, in order.
   */
  'results'?: (_assay_template_v1_BatchSetTemplateResponse_Result)[];
}

export interface BatchSetTemplateResponse__Output {
  /**
   * One for each template, in order.
   */
  'results': (_assay_template_v1_BatchSetTemplateResponse_Result__Output)[];
}
