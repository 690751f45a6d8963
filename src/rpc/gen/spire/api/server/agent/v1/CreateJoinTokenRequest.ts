// Original file: proto/spire/api/server/agent/v1/agent.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface CreateJoinTokenRequest {
  /**
   * Seconds, at least 1.
   */
  'ttl'?: (number);
  /**
   * Made by the server when empty.
   */
  'token'?: (string);
  /**
   * An alias for the node that comes with this token; optional.
   */
  'agent_id'?: (_spire_api_types_SPIFFEID | null);
}

export interface CreateJoinTokenRequest__Output {
  /**
   * Seconds, at least 1.
   */
  'ttl': (number);
  /**
   * Made by the server when empty.
   */
  'token': (string);
  /**
   * An alias for the node that comes with this token; optional.
   */
  'agent_id': (_spire_api_types_SPIFFEID__Output | null);
}
