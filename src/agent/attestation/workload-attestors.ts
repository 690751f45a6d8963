import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { dockerAttestor } from "../../attestors/workload/docker/attest.ts";
import { podmanAttestor } from "../../attestors/workload/podman/attest.ts";
import { unixAttestor } from "../../attestors/workload/unix/attest.ts";
import type { Clock } from "../../base/clock.ts";
import type { AgentConfig } from "../../config/agent.ts";
import type { Logger } from "../../observe/logger.ts";
import { kubernetesAttestor } from "./kubernetes-attestor.ts";

export interface WorkloadAttestorParts {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Takes what is to be closed when the agent stops. */
  readonly stack: Pick<AsyncDisposableStack, "use">;
}

/** The workload attestors that a configuration asks for. */
export function workloadAttestors(
  { workloadAttestors: { docker, podman, k8s } }: AgentConfig,
  { logger, clock, stack }: WorkloadAttestorParts,
): readonly WorkloadAttestor[] {
  return [
    unixAttestor({ logger, clock }),
    ...(k8s === undefined ? [] : [kubernetesAttestor(k8s, { logger, clock, stack })]),
    ...(docker === undefined ? [] : [stack.use(dockerAttestor({ ...docker, clock }))]),
    ...(podman === undefined ? [] : [stack.use(podmanAttestor({ ...podman, clock }))]),
  ];
}
