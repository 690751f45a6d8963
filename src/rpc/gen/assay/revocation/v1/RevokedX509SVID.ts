// Original file: proto/assay/revocation/v1/revocation.proto

import type { Reason as _assay_revocation_v1_Reason, Reason__Output as _assay_revocation_v1_Reason__Output } from '../../../assay/revocation/v1/Reason.ts';
import type { Long } from '@grpc/proto-loader';

export interface RevokedX509SVID {
  'serial'?: (string);
  'authority_id'?: (string);
  /**
   * Empty where nobody knows.
   */
  'spiffe_id'?: (string);
  /**
   * Unix time.
   */
  'revoked_at'?: (number | string | Long);
  'expires_at'?: (number | string | Long);
  'reason'?: (_assay_revocation_v1_Reason);
}

export interface RevokedX509SVID__Output {
  'serial': (string);
  'authority_id': (string);
  /**
   * Empty where nobody knows.
   */
  'spiffe_id': (string);
  /**
   * Unix time.
   */
  'revoked_at': (string);
  'expires_at': (string);
  'reason': (_assay_revocation_v1_Reason__Output);
}
