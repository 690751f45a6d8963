// Original file: proto/assay/rotation/v1/rotation.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';

export interface BatchRotateAgentRequest {
  'ids'?: (_spire_api_types_SPIFFEID)[];
}

export interface BatchRotateAgentRequest__Output {
  'ids': (_spire_api_types_SPIFFEID__Output)[];
}
