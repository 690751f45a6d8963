import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { unixAttestor } from "../../attestors/workload/unix/attest.ts";
import type { Clock } from "../../base/clock.ts";
import type { AgentConfig } from "../../config/agent.ts";
import type { Logger } from "../../observe/logger.ts";

export interface WorkloadAttestorParts {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The workload attestors that a configuration asks for. */
export function workloadAttestors(
  _config: AgentConfig,
  { logger, clock }: WorkloadAttestorParts,
): readonly WorkloadAttestor[] {
  return [unixAttestor({ logger, clock })];
}
