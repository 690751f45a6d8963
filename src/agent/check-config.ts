import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { AgentConfig } from "../config/agent/agent-config.ts";
import { fail } from "../base/errors.ts";
import { silentLogger } from "../observe/logger.ts";
import { WorkloadAttestors } from "./attestation/workload-attestors.ts";
import { nodeAttestor } from "./identity/node-attestors.ts";

/**
 * Makes the attestors that a configuration asks for, as a start does, and nothing else: no folder, no listener, and
 * nobody is asked anything.
 * @throws what a start would
 */
export async function checkAgentConfig(
  config: AgentConfig,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<void> {
  nodeAttestor(config, { clock, random });
  await using _attestors = await WorkloadAttestors.open(config, {
    logger: silentLogger,
    clock,
    spendToken: () => Promise.reject(fail("unavailable", "there is no server here")),
  });
}
