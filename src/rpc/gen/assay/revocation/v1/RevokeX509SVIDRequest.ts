// Original file: proto/assay/revocation/v1/revocation.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Reason as _assay_revocation_v1_Reason, Reason__Output as _assay_revocation_v1_Reason__Output } from '../../../assay/revocation/v1/Reason.ts';

export interface RevokeX509SVIDRequest {
  /**
   * Lower-case hex; or else all SVIDs of this ID that have not ended.
   */
  'serial'?: (string);
  'spiffe_id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * With a serial: the authority that signed it, for SVIDs that this server's audit log does not have.
   */
  'authority_id'?: (string);
  'reason'?: (_assay_revocation_v1_Reason);
}

export interface RevokeX509SVIDRequest__Output {
  /**
   * Lower-case hex; or else all SVIDs of this ID that have not ended.
   */
  'serial': (string);
  'spiffe_id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * With a serial: the authority that signed it, for SVIDs that this server's audit log does not have.
   */
  'authority_id': (string);
  'reason': (_assay_revocation_v1_Reason__Output);
}
