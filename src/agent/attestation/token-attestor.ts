import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { OidcIssuers } from "../../attestors/issuer/issuers.ts";
import { KubernetesClient } from "../../attestors/kubernetes/client.ts";
import type { ContainerLookup } from "../../attestors/workload/container/container-lookup.ts";
import { tokenAttestor } from "../../attestors/workload/token/attest.ts";
import type { K8sAttestor } from "../../attestors/workload/kubernetes/attest.ts";
import { TokenReviews } from "../../attestors/workload/token/reviews.ts";
import type { TokenHolders } from "../../attestors/workload/token/holders.ts";
import { ONE_TIME_ALIAS, type OneTimeTokens } from "../../attestors/workload/token/one-time.ts";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { AgentConfig } from "../../config/agent.ts";

interface TokenAttestorParts {
  readonly clock: Clock;
  readonly containers: ContainerLookup;
  /** Takes what fetches issuers' keys. */
  readonly stack: Pick<AsyncDisposableStack, "use">;
  /** Whom tokens belong to, and those that were spent: older than the configuration. */
  readonly holders: TokenHolders;
  readonly oneTime: OneTimeTokens;
  /** The `k8s` attestor, where it is on. */
  readonly pods: K8sAttestor | undefined;
}

/** What `workloadAttestors.token` asks for. @throws invalid, naming the option of the issuer */
export function configuredTokens(
  {
    issuers: sections = [],
    oneTime: takesOneTime,
  }: NonNullable<AgentConfig["workloadAttestors"]["token"]>,
  trustDomain: string,
  { clock, containers, stack, holders, oneTime, pods }: TokenAttestorParts,
): WorkloadAttestor {
  if (sections.some(({ alias }) => alias === ONE_TIME_ALIAS)) {
    throw fail(
      "invalid",
      `issuer alias ${ONE_TIME_ALIAS} is that of one-time tokens; take another`,
    );
  }
  const podIssuers = sections.filter(({ pods: isCluster }) => isCluster).map(({ alias }) => alias);
  if (podIssuers.length > 0 && pods === undefined) {
    throw fail(
      "invalid",
      `issuer ${podIssuers[0]} has 'pods', and the kubelet is not asked for any; add workloadAttestors.k8s`,
    );
  }
  const complete = sections.map((section) => ({
    ...section,
    audiences: section.audiences ?? [`spiffe://${trustDomain}`],
  }));
  const issuers = OidcIssuers.of(complete, clock);
  const reviews = complete.flatMap(({ alias, audiences, review }) => {
    if (review === undefined) return [];
    const connection = {
      server: review.apiServer,
      authorities: { file: review.caFile },
      token: { file: review.tokenFile },
    };
    const client = stack.use(
      new KubernetesClient({ connection, clock, deadlineMs: REVIEW_DEADLINE_MS }),
    );
    return [[alias, new TokenReviews({ client, audiences, clock })] as const];
  });
  return tokenAttestor({
    issuers: stack.use(issuers),
    requiredClaims: new Map(
      sections.map(({ alias, requiredClaims = new Map() }) => [alias, requiredClaims]),
    ),
    aliases: [...sections.map(({ alias }) => alias), ...(takesOneTime ? [ONE_TIME_ALIAS] : [])],
    ...(takesOneTime ? { oneTime } : {}),
    holders,
    reviews: new Map(reviews),
    podIssuers: new Set(podIssuers),
    ...(pods === undefined ? {} : { pods }),
    containers,
    clock,
  });
}

/** Less than the deadline of all attestors, so that the reason is said. */
const REVIEW_DEADLINE_MS = 4000;
