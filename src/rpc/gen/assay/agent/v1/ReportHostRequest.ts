// Original file: proto/assay/agent/v1/agent.proto

import type { HostFacts as _assay_agent_v1_HostFacts, HostFacts__Output as _assay_agent_v1_HostFacts__Output } from '../../../assay/agent/v1/HostFacts.ts';

export interface ReportHostRequest {
  'facts'?: (_assay_agent_v1_HostFacts | null);
}

export interface ReportHostRequest__Output {
  'facts': (_assay_agent_v1_HostFacts__Output | null);
}
