// Original file: proto/spire/api/types/status.proto


// Original file: proto/spire/api/types/status.proto

export const _spire_api_types_PermissionDeniedDetails_Reason = {
  UNKNOWN: 'UNKNOWN',
  /**
   * The agent's SVID has run out.
   */
  AGENT_EXPIRED: 'AGENT_EXPIRED',
  /**
   * The server knows no such agent: attest again.
   */
  AGENT_NOT_ATTESTED: 'AGENT_NOT_ATTESTED',
  /**
   * The SVID shown is not the agent's latest one.
   */
  AGENT_NOT_ACTIVE: 'AGENT_NOT_ACTIVE',
  /**
   * An operator banned the agent: stop.
   */
  AGENT_BANNED: 'AGENT_BANNED',
  /**
   * The agent proves itself by attesting again, not by renewing.
   */
  AGENT_MUST_REATTEST: 'AGENT_MUST_REATTEST',
} as const;

export type _spire_api_types_PermissionDeniedDetails_Reason =
  | 'UNKNOWN'
  | 0
  /**
   * The agent's SVID has run out.
   */
  | 'AGENT_EXPIRED'
  | 1
  /**
   * The server knows no such agent: attest again.
   */
  | 'AGENT_NOT_ATTESTED'
  | 2
  /**
   * The SVID shown is not the agent's latest one.
   */
  | 'AGENT_NOT_ACTIVE'
  | 3
  /**
   * An operator banned the agent: stop.
   */
  | 'AGENT_BANNED'
  | 4
  /**
   * The agent proves itself by attesting again, not by renewing.
   */
  | 'AGENT_MUST_REATTEST'
  | 5

export type _spire_api_types_PermissionDeniedDetails_Reason__Output = typeof _spire_api_types_PermissionDeniedDetails_Reason[keyof typeof _spire_api_types_PermissionDeniedDetails_Reason]

/**
 * Travels as a detail of PERMISSION_DENIED and tells an agent what to do about it.
 */
export interface PermissionDeniedDetails {
  'reason'?: (_spire_api_types_PermissionDeniedDetails_Reason);
}

/**
 * Travels as a detail of PERMISSION_DENIED and tells an agent what to do about it.
 */
export interface PermissionDeniedDetails__Output {
  'reason': (_spire_api_types_PermissionDeniedDetails_Reason__Output);
}
