// Original file: proto/assay/entry/v1/plan.proto

import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../spire/api/types/Entry.ts';
import type { EntryMask as _spire_api_types_EntryMask, EntryMask__Output as _spire_api_types_EntryMask__Output } from '../../../spire/api/types/EntryMask.ts';
import type { Template as _assay_template_v1_Template, Template__Output as _assay_template_v1_Template__Output } from '../../../assay/template/v1/Template.ts';
import type { JwtClaims as _assay_claims_v1_JwtClaims, JwtClaims__Output as _assay_claims_v1_JwtClaims__Output } from '../../../assay/claims/v1/JwtClaims.ts';

export interface EntryChange {
  /**
   * As for BatchUpdateEntry.
   */
  'entry'?: (_spire_api_types_Entry | null);
  'input_mask'?: (_spire_api_types_EntryMask | null);
  /**
   * As for BatchSetTemplate; absent = it stays.
   */
  'template'?: (_assay_template_v1_Template | null);
  /**
   * As for BatchSetClaims; absent = they stay.
   */
  'claims'?: (_assay_claims_v1_JwtClaims | null);
}

export interface EntryChange__Output {
  /**
   * As for BatchUpdateEntry.
   */
  'entry': (_spire_api_types_Entry__Output | null);
  'input_mask': (_spire_api_types_EntryMask__Output | null);
  /**
   * As for BatchSetTemplate; absent = it stays.
   */
  'template': (_assay_template_v1_Template__Output | null);
  /**
   * As for BatchSetClaims; absent = they stay.
   */
  'claims': (_assay_claims_v1_JwtClaims__Output | null);
}
