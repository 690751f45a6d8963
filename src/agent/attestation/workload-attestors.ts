import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { ContainerLookup } from "../../attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../attestors/workload/docker/attest.ts";
import { podmanAttestor } from "../../attestors/workload/podman/attest.ts";
import { systemdAttestor } from "../../attestors/workload/systemd/attest.ts";
import { unixAttestor } from "../../attestors/workload/unix/attest.ts";
import type { Clock } from "../../base/clock.ts";
import type { AgentConfig } from "../../config/agent.ts";
import type { Logger } from "../../observe/logger.ts";
import { kubernetesAttestor } from "./kubernetes-attestor.ts";
import { configuredTokens } from "./token-attestor.ts";

export interface WorkloadAttestorParts {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Takes what is to be closed when the agent stops. */
  readonly stack: Pick<AsyncDisposableStack, "use">;
  /** Spends a one-time token at the server. @returns the id of its entry */
  readonly spendToken: (token: string) => Promise<string>;
}

/** The workload attestors that a configuration asks for. */
export function workloadAttestors(
  { trustDomain, workloadAttestors: { docker, podman, k8s, systemd, token } }: AgentConfig,
  parts: WorkloadAttestorParts,
): readonly WorkloadAttestor[] {
  const { logger, clock, stack } = parts;
  // One for all: each holds files of processes open, out of the few that are kept from the callers.
  const containers = stack.use(new ContainerLookup());
  return [
    unixAttestor({ logger, clock }),
    ...(k8s === undefined ? [] : [kubernetesAttestor(k8s, { ...parts, containers })]),
    ...(docker === undefined ? [] : [stack.use(dockerAttestor({ ...docker, clock, containers }))]),
    ...(podman === undefined ? [] : [stack.use(podmanAttestor({ ...podman, clock, containers }))]),
    ...(systemd === undefined
      ? []
      : [stack.use(systemdAttestor({ ...systemd, clock, containers }))]),
    ...(token === undefined
      ? []
      : [configuredTokens(token, trustDomain, { ...parts, containers })]),
  ];
}
