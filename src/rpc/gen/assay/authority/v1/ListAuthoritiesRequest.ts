// Original file: proto/assay/authority/v1/authority.proto

import type { Kind as _assay_authority_v1_Kind, Kind__Output as _assay_authority_v1_Kind__Output } from '../../../assay/authority/v1/Kind.ts';

export interface ListAuthoritiesRequest {
  'kind'?: (_assay_authority_v1_Kind);
  'set'?: (string);
}

export interface ListAuthoritiesRequest__Output {
  'kind': (_assay_authority_v1_Kind__Output);
  'set': (string);
}
