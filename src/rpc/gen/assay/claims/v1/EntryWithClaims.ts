// Original file: proto/assay/claims/v1/claims.proto

import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../spire/api/types/Entry.ts';
import type { Template as _assay_template_v1_Template, Template__Output as _assay_template_v1_Template__Output } from '../../../assay/template/v1/Template.ts';
import type { JwtClaims as _assay_claims_v1_JwtClaims, JwtClaims__Output as _assay_claims_v1_JwtClaims__Output } from '../../../assay/claims/v1/JwtClaims.ts';

export interface EntryWithClaims {
  'entry'?: (_spire_api_types_Entry | null);
  /**
   * Absent: the entry is one identity.
   */
  'template'?: (_assay_template_v1_Template | null);
  /**
   * Absent: none.
   */
  'claims'?: (_assay_claims_v1_JwtClaims | null);
}

export interface EntryWithClaims__Output {
  'entry': (_spire_api_types_Entry__Output | null);
  /**
   * Absent: the entry is one identity.
   */
  'template': (_assay_template_v1_Template__Output | null);
  /**
   * Absent: none.
   */
  'claims': (_assay_claims_v1_JwtClaims__Output | null);
}
