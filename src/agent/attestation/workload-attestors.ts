import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { OidcIssuer } from "../../attestors/issuer/issuer.ts";
import { OidcIssuers } from "../../attestors/issuer/issuers.ts";
import { ContainerLookup } from "../../attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../attestors/workload/docker/attest.ts";
import { podmanAttestor } from "../../attestors/workload/podman/attest.ts";
import { tokenAttestor } from "../../attestors/workload/token/attest.ts";
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
  { trustDomain, workloadAttestors: { docker, podman, k8s, token } }: AgentConfig,
  { logger, clock, stack }: WorkloadAttestorParts,
): readonly WorkloadAttestor[] {
  return [
    unixAttestor({ logger, clock }),
    ...(k8s === undefined ? [] : [kubernetesAttestor(k8s, { logger, clock, stack })]),
    ...(docker === undefined ? [] : [stack.use(dockerAttestor({ ...docker, clock }))]),
    ...(podman === undefined ? [] : [stack.use(podmanAttestor({ ...podman, clock }))]),
    ...(token === undefined ? [] : [tokensOf(token, trustDomain, clock, stack)]),
  ];
}

/** @throws invalid, naming the option of the issuer */
function tokensOf(
  { issuers: sections }: NonNullable<AgentConfig["workloadAttestors"]["token"]>,
  trustDomain: string,
  clock: Clock,
  stack: WorkloadAttestorParts["stack"],
): WorkloadAttestor {
  const issuers = new OidcIssuers(
    sections.map(({ alias, url, jwksUrl, jwksFile, caFile, ...issuer }) =>
      OidcIssuer.of({
        alias,
        issuerUrl: url,
        audiences: issuer.audiences ?? [`spiffe://${trustDomain}`],
        ...(jwksUrl === undefined ? {} : { jwksUrl }),
        ...(jwksFile === undefined ? {} : { jwksFile }),
        ...(caFile === undefined ? {} : { caFile }),
        allowLoopbackHttp: issuer.loopbackHttp,
        maxLifeSeconds: issuer.maxLife,
        clock,
      }),
    ),
  );
  return tokenAttestor({
    issuers: stack.use(issuers),
    requiredClaims: new Map(
      sections.map(({ alias, requiredClaims = new Map() }) => [alias, requiredClaims]),
    ),
    aliases: sections.map(({ alias }) => alias),
    containers: new ContainerLookup(),
    clock,
  });
}
