// Original file: proto/assay/template/v1/template.proto

import type { Member as _assay_template_v1_Member, Member__Output as _assay_template_v1_Member__Output } from '../../../assay/template/v1/Member.ts';

export interface NewX509SVIDParams {
  'member'?: (_assay_template_v1_Member | null);
  /**
   * ASN.1 DER PKCS #10 request; of it only the key and the proof that the caller has it count.
   */
  'csr'?: (Buffer | Uint8Array | string);
}

export interface NewX509SVIDParams__Output {
  'member': (_assay_template_v1_Member__Output | null);
  /**
   * ASN.1 DER PKCS #10 request; of it only the key and the proof that the caller has it count.
   */
  'csr': (Buffer);
}
