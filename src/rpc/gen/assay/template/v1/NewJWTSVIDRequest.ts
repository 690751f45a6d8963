// Original file: proto/assay/template/v1/template.proto

import type { Member as _assay_template_v1_Member, Member__Output as _assay_template_v1_Member__Output } from '../../../assay/template/v1/Member.ts';

export interface NewJWTSVIDRequest {
  'member'?: (_assay_template_v1_Member | null);
  /**
   * At least one.
   */
  'audience'?: (string)[];
}

export interface NewJWTSVIDRequest__Output {
  'member': (_assay_template_v1_Member__Output | null);
  /**
   * At least one.
   */
  'audience': (string)[];
}
