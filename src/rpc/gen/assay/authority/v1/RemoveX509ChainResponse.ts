// Original file: proto/assay/authority/v1/authority.proto

import type { _assay_authority_v1_ListAuthoritiesResponse_Item, _assay_authority_v1_ListAuthoritiesResponse_Item__Output } from '../../../assay/authority/v1/ListAuthoritiesResponse.ts';

export interface RemoveX509ChainResponse {
  /**
   * Those that had one.
   */
  'authorities'?: (_assay_authority_v1_ListAuthoritiesResponse_Item)[];
}

export interface RemoveX509ChainResponse__Output {
  /**
   * Those that had one.
   */
  'authorities': (_assay_authority_v1_ListAuthoritiesResponse_Item__Output)[];
}
