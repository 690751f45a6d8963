// Original file: proto/assay/claims/v1/claims.proto

import type { EntryClaims as _assay_claims_v1_EntryClaims, EntryClaims__Output as _assay_claims_v1_EntryClaims__Output } from '../../../assay/claims/v1/EntryClaims.ts';

export interface BatchGetClaimsResponse {
  'claims'?: (_assay_claims_v1_EntryClaims)[];
}

export interface BatchGetClaimsResponse__Output {
  'claims': (_assay_claims_v1_EntryClaims__Output)[];
}
