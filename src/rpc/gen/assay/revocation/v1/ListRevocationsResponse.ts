// Original file: proto/assay/revocation/v1/revocation.proto

import type { RevokedX509SVID as _assay_revocation_v1_RevokedX509SVID, RevokedX509SVID__Output as _assay_revocation_v1_RevokedX509SVID__Output } from '../../../assay/revocation/v1/RevokedX509SVID.ts';

export interface ListRevocationsResponse {
  'revocations'?: (_assay_revocation_v1_RevokedX509SVID)[];
}

export interface ListRevocationsResponse__Output {
  'revocations': (_assay_revocation_v1_RevokedX509SVID__Output)[];
}
