// Original file: proto/assay/revocation/v1/revocation.proto

import type { RevokedX509SVID as _assay_revocation_v1_RevokedX509SVID, RevokedX509SVID__Output as _assay_revocation_v1_RevokedX509SVID__Output } from '../../../assay/revocation/v1/RevokedX509SVID.ts';

export interface RevokeX509SVIDResponse {
  /**
   * Those that were not revoked before.
   */
  'results'?: (_assay_revocation_v1_RevokedX509SVID)[];
  /**
   * A list that names them could not be signed yet; the server goes on trying.
   */
  'pending'?: (boolean);
  /**
   * Entries whose agents were told to have new SVIDs made.
   */
  'rotated_entries'?: (number);
}

export interface RevokeX509SVIDResponse__Output {
  /**
   * Those that were not revoked before.
   */
  'results': (_assay_revocation_v1_RevokedX509SVID__Output)[];
  /**
   * A list that names them could not be signed yet; the server goes on trying.
   */
  'pending': (boolean);
  /**
   * Entries whose agents were told to have new SVIDs made.
   */
  'rotated_entries': (number);
}
