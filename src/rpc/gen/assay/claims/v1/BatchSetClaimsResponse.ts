// Original file: proto/assay/claims/v1/claims.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';

export interface _assay_claims_v1_BatchSetClaimsResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'id'?: (string);
}

export interface _assay_claims_v1_BatchSetClaimsResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'id': (string);
}

export interface BatchSetClaimsResponse {
  /**
   * One for each of the claims, in order.
   */
  'results'?: (_assay_claims_v1_BatchSetClaimsResponse_Result)[];
}

export interface BatchSetClaimsResponse__Output {
  /**
   * One for each of the claims, in order.
   */
  'results': (_assay_claims_v1_BatchSetClaimsResponse_Result__Output)[];
}
