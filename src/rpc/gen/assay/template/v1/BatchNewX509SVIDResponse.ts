// Original file: proto/assay/template/v1/template.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';
import type { X509SVID as _spire_api_types_X509SVID, X509SVID__Output as _spire_api_types_X509SVID__Output } from '../../../spire/api/types/X509SVID.ts';

export interface _assay_template_v1_BatchNewX509SVIDResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'svid'?: (_spire_api_types_X509SVID | null);
}

export interface _assay_template_v1_BatchNewX509SVIDResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'svid': (_spire_api_types_X509SVID__Output | null);
}

export interface BatchNewX509SVIDResponse {
  /**
   * One for each of the params, in order.
   */
  'results'?: (_assay_template_v1_BatchNewX509SVIDResponse_Result)[];
}

export interface BatchNewX509SVIDResponse__Output {
  /**
   * One for each of the params, in order.
   */
  'results': (_assay_template_v1_BatchNewX509SVIDResponse_Result__Output)[];
}
