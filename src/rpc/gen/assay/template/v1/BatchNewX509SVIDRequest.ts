// Original file: proto/assay/template/v1/template.proto

import type { NewX509SVIDParams as _assay_template_v1_NewX509SVIDParams, NewX509SVIDParams__Output as _assay_template_v1_NewX509SVIDParams__Output } from '../../../assay/template/v1/NewX509SVIDParams.ts';

export interface BatchNewX509SVIDRequest {
  'params'?: (_assay_template_v1_NewX509SVIDParams)[];
}

export interface BatchNewX509SVIDRequest__Output {
  'params': (_assay_template_v1_NewX509SVIDParams__Output)[];
}
