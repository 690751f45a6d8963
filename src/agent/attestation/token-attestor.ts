import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { OidcIssuers } from "../../attestors/issuer/issuers.ts";
import { KubernetesClient } from "../../attestors/kubernetes/client.ts";
import type { KubernetesConnection } from "../../attestors/kubernetes/connection.ts";
import { readKubeconfig } from "../../attestors/kubernetes/kubeconfig.ts";
import type { ContainerLookup } from "../../attestors/workload/container/container-lookup.ts";
import { tokenAttestor } from "../../attestors/workload/token/attest.ts";
import type { K8sAttestor } from "../../attestors/workload/kubernetes/attest.ts";
import { TokenReviews } from "../../attestors/workload/token/reviews.ts";
import type { TokenHolders } from "../../attestors/workload/token/holders.ts";
import { ONE_TIME_ALIAS, type OneTimeTokens } from "../../attestors/workload/token/one-time.ts";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";

type Tokens = NonNullable<AgentConfig["workloadAttestors"]["token"]>;
type Review = NonNullable<NonNullable<Tokens["issuers"]>[number]["review"]>;

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

/**
 * What `workloadAttestors.token` asks for.
 * @throws invalid, naming the option of the issuer; precondition when a kubeconfig cannot be read
 */
export async function configuredTokens(
  { issuers: sections = [], oneTime: takesOneTime }: Tokens,
  trustDomain: string,
  { clock, containers, stack, holders, oneTime, pods }: TokenAttestorParts,
): Promise<WorkloadAttestor> {
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
  const reviews = new Map<string, TokenReviews>();
  for (const { alias, audiences, review } of complete) {
    if (review === undefined) continue;
    const connection = await connectionOf(review);
    const client = new KubernetesClient({ connection, clock, deadlineMs: REVIEW_DEADLINE_MS });
    reviews.set(alias, new TokenReviews({ client: stack.use(client), audiences, clock }));
  }
  return tokenAttestor({
    issuers: stack.use(issuers),
    requiredClaims: new Map(
      sections.map(({ alias, requiredClaims = new Map() }) => [alias, requiredClaims]),
    ),
    aliases: [...sections.map(({ alias }) => alias), ...(takesOneTime ? [ONE_TIME_ALIAS] : [])],
    ...(takesOneTime ? { oneTime } : {}),
    holders,
    reviews,
    podIssuers: new Set(podIssuers),
    ...(pods === undefined ? {} : { pods }),
    containers,
    clock,
  });
}

/** The files of a pod need not be there yet. */
async function connectionOf(review: Review): Promise<KubernetesConnection> {
  const { kubeconfig, context, apiServer, caFile, tokenFile } = review;
  if (kubeconfig !== undefined) return await readKubeconfig(kubeconfig, context);
  return { server: apiServer, authorities: { file: caFile }, token: { file: tokenFile } };
}

/** Less than the deadline of all attestors, so that the reason is said. */
const REVIEW_DEADLINE_MS = 4000;
