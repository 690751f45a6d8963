// Original file: proto/assay/authority/v1/authority.proto

import type { _assay_authority_v1_ListAuthoritiesResponse_Item, _assay_authority_v1_ListAuthoritiesResponse_Item__Output } from '../../../assay/authority/v1/ListAuthoritiesResponse.ts';

export interface RevokeX509AuthorityResponse {
  'authority'?: (_assay_authority_v1_ListAuthoritiesResponse_Item | null);
}

export interface RevokeX509AuthorityResponse__Output {
  'authority': (_assay_authority_v1_ListAuthoritiesResponse_Item__Output | null);
}
