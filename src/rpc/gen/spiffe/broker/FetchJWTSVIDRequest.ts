// Original file: proto/spiffe/broker/broker.proto

import type { WorkloadReference as _spiffe_broker_WorkloadReference, WorkloadReference__Output as _spiffe_broker_WorkloadReference__Output } from '../../spiffe/broker/WorkloadReference.ts';

export interface FetchJWTSVIDRequest {
  'reference'?: (_spiffe_broker_WorkloadReference | null);
  /**
   * At least one.
   */
  'audience'?: (string)[];
  /**
   * Empty asks for all of the workload's.
   */
  'spiffe_id'?: (string);
}

export interface FetchJWTSVIDRequest__Output {
  'reference': (_spiffe_broker_WorkloadReference__Output | null);
  /**
   * At least one.
   */
  'audience': (string)[];
  /**
   * Empty asks for all of the workload's.
   */
  'spiffe_id': (string);
}
