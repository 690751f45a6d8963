// Original file: proto/spire/api/server/agent/v1/agent.proto

import type { Long } from '@grpc/proto-loader';

export interface PostStatusRequest {
  /**
   * Sequence number of the bundle the agent holds.
   */
  'current_bundle_serial'?: (number | string | Long);
  'agent_version'?: (string);
}

export interface PostStatusRequest__Output {
  /**
   * Sequence number of the bundle the agent holds.
   */
  'current_bundle_serial': (string);
  'agent_version': (string);
}
