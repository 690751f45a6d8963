// Original file: proto/spiffe/broker/broker.proto

import type { WorkloadReference as _spiffe_broker_WorkloadReference, WorkloadReference__Output as _spiffe_broker_WorkloadReference__Output } from '../../spiffe/broker/WorkloadReference.ts';

export interface SubscribeToX509SVIDRequest {
  'reference'?: (_spiffe_broker_WorkloadReference | null);
}

export interface SubscribeToX509SVIDRequest__Output {
  'reference': (_spiffe_broker_WorkloadReference__Output | null);
}
