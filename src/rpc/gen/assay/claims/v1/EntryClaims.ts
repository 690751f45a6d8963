// Original file: proto/assay/claims/v1/claims.proto

import type { JwtClaims as _assay_claims_v1_JwtClaims, JwtClaims__Output as _assay_claims_v1_JwtClaims__Output } from '../../../assay/claims/v1/JwtClaims.ts';

export interface EntryClaims {
  /**
   * Of the entry.
   */
  'id'?: (string);
  'claims'?: (_assay_claims_v1_JwtClaims | null);
}

export interface EntryClaims__Output {
  /**
   * Of the entry.
   */
  'id': (string);
  'claims': (_assay_claims_v1_JwtClaims__Output | null);
}
