// Original file: proto/assay/rotation/v1/rotation.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../spire/api/types/Status.ts';
import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';

export interface _assay_rotation_v1_BatchRotateAgentResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * The agent follows the server's changes just now. Otherwise it is told when it comes back; an agent that polls is
   * never told.
   */
  'told'?: (boolean);
}

export interface _assay_rotation_v1_BatchRotateAgentResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * The agent follows the server's changes just now. Otherwise it is told when it comes back; an agent that polls is
   * never told.
   */
  'told': (boolean);
}

export interface BatchRotateAgentResponse {
  /**
   * One for each id, in order.
   */
  'results'?: (_assay_rotation_v1_BatchRotateAgentResponse_Result)[];
}

export interface BatchRotateAgentResponse__Output {
  /**
   * One for each id, in order.
   */
  'results': (_assay_rotation_v1_BatchRotateAgentResponse_Result__Output)[];
}
