// Original file: proto/assay/claims/v1/claims.proto

import type { ClaimsChange as _assay_claims_v1_ClaimsChange, ClaimsChange__Output as _assay_claims_v1_ClaimsChange__Output } from '../../../assay/claims/v1/ClaimsChange.ts';

export interface BatchSetClaimsRequest {
  'claims'?: (_assay_claims_v1_ClaimsChange)[];
}

export interface BatchSetClaimsRequest__Output {
  'claims': (_assay_claims_v1_ClaimsChange__Output)[];
}
