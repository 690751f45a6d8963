// Original file: proto/assay/claims/v1/claims.proto

import type { EntryWithClaims as _assay_claims_v1_EntryWithClaims, EntryWithClaims__Output as _assay_claims_v1_EntryWithClaims__Output } from '../../../assay/claims/v1/EntryWithClaims.ts';

export interface BatchCreateEntryRequest {
  'entries'?: (_assay_claims_v1_EntryWithClaims)[];
}

export interface BatchCreateEntryRequest__Output {
  'entries': (_assay_claims_v1_EntryWithClaims__Output)[];
}
