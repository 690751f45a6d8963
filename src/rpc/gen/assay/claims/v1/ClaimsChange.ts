// Original file: proto/assay/claims/v1/claims.proto

import type { JwtClaims as _assay_claims_v1_JwtClaims, JwtClaims__Output as _assay_claims_v1_JwtClaims__Output } from '../../../assay/claims/v1/JwtClaims.ts';
import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../spire/api/types/Entry.ts';
import type { EntryMask as _spire_api_types_EntryMask, EntryMask__Output as _spire_api_types_EntryMask__Output } from '../../../spire/api/types/EntryMask.ts';

export interface ClaimsChange {
  /**
   * Of the entry.
   */
  'id'?: (string);
  'claims'?: (_assay_claims_v1_JwtClaims | null);
  /**
   * What else changes at once, as for BatchUpdateEntry; absent = nothing.
   */
  'entry'?: (_spire_api_types_Entry | null);
  'input_mask'?: (_spire_api_types_EntryMask | null);
}

export interface ClaimsChange__Output {
  /**
   * Of the entry.
   */
  'id': (string);
  'claims': (_assay_claims_v1_JwtClaims__Output | null);
  /**
   * What else changes at once, as for BatchUpdateEntry; absent = nothing.
   */
  'entry': (_spire_api_types_Entry__Output | null);
  'input_mask': (_spire_api_types_EntryMask__Output | null);
}
