/**
 * The `token` workload attestor: what a token says that came with the call, for callers whom the kernel does not name
 * here and for entries that demand it beside a process's own selectors. Selectors `token:<issuer>:<claim>:<value>`.
 */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { Selector } from "../../../spiffe/selector.ts";
import type { AttestCall, PresentedToken, ProcessFacts, WorkloadAttestor } from "../../contract.ts";
import { claimSelectors, claimText } from "../../issuer/claim-selectors.ts";
import type { VerifiedToken } from "../../issuer/issuer.ts";
import type { ContainerRef } from "../container/container-of.ts";
import type { K8sAttestor } from "../kubernetes/attest.ts";
import { MAX_BEARER } from "./bearer.ts";
import { type TokenHolder, TokenHolders } from "./holders.ts";
import { ONE_TIME_ALIAS, type OneTimeTokens, isOneTimeToken } from "./one-time.ts";
import type { TokenReviews } from "./reviews.ts";
import { TokenOutcomes } from "./outcomes.ts";

export interface TokenAttestorOptions {
  /** `OidcIssuers`. */
  readonly issuers: {
    verify(token: string, signal: AbortSignal): Promise<VerifiedToken>;
  };
  /** By issuer alias: claims (named as in selectors) with the values of which a token must have one. */
  readonly requiredClaims: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  /** Every alias that a selector can have. */
  readonly aliases: readonly string[];
  /** `ContainerLookup`. */
  readonly containers: { read(pid: number): ContainerRef | undefined };
  readonly clock: Clock;
  /** By issuer alias: the cluster has a say in its tokens beside their signature. */
  readonly reviews?: ReadonlyMap<string, Pick<TokenReviews, "check">>;
  /** Issuer aliases whose tokens of pods have the pods' own selectors too, where no PID tells the pod. */
  readonly podIssuers?: ReadonlySet<string>;
  /** Who knows this node's pods; with `podIssuers`. */
  readonly pods?: Pick<K8sAttestor, "selectorsOfPod">;
  /** Default: 20,000 tokens. */
  readonly holders?: TokenHolders;
  /** Absent: one-time tokens count for nothing. */
  readonly oneTime?: OneTimeTokens;
}

export function tokenAttestor(options: TokenAttestorOptions): WorkloadAttestor {
  const { issuers, requiredClaims, aliases, containers, clock, oneTime } = options;
  const { podIssuers, pods, reviews } = options;
  const holders = options.holders ?? new TokenHolders();
  const outcomes = new TokenOutcomes(clock);

  const admit = async (
    process: ProcessFacts,
    presented: PresentedToken,
    call: AttestCall,
  ): Promise<readonly Selector[]> => {
    const { signal } = call;
    if (presented.token === "") {
      throw fail(
        "invalid",
        `authorization is not one 'Bearer TOKEN' of at most ${MAX_BEARER} characters`,
      );
    }
    if (oneTime !== undefined && isOneTimeToken(presented.token)) {
      const share = shareOf(process, undefined);
      const entryId = await oneTime.entryOf(presented.token, presented.connection, share);
      return [{ type: TOKEN_TYPE, value: `${ONE_TIME_ALIAS}:entry:${entryId}` }];
    }
    const token = await issuers.verify(presented.token, signal);
    checkClaims(token, requiredClaims.get(token.alias));
    await reviews?.get(token.alias)?.check(presented.token, token, signal);
    // Before anything is bound: a pod that is not here must not take a place.
    const pod = process.pid === 0 ? await podSelectorsOf(token, call) : NOTHING;
    const holder = holderOf(process, presented, token);
    holders.hold({
      fingerprint: token.fingerprint,
      holder,
      share: shareOf(process, podUidOf(token.claims)),
      until: token.refusedFrom,
      now: epochSeconds(clock),
    });
    presented.onEnd(token.refusedFrom);
    return [...claimSelectors(TOKEN_TYPE, token), ...pod];
  };

  const podSelectorsOf = async (
    { alias, claims }: VerifiedToken,
    { signal, onGap }: AttestCall,
  ): Promise<readonly Selector[]> => {
    const uid = podUidOf(claims);
    if (uid === undefined || pods === undefined || podIssuers?.has(alias) !== true) return NOTHING;
    const claim = (name: string): string | undefined => claimText(claims, `kubernetes.io/${name}`);
    return pods.selectorsOfPod(
      {
        uid,
        namespace: claim("namespace"),
        name: claim("pod/name"),
        serviceAccount: claim("serviceaccount/name"),
        nodeName: claim("node/name"),
      },
      // Of another type's names: its reason says which.
      { signal, onGap: (gap) => onGap({ ...gap, names: [] }) },
    );
  };

  const holderOf = (
    process: ProcessFacts,
    presented: PresentedToken,
    { claims }: VerifiedToken,
  ): TokenHolder => {
    const podUid = podUidOf(claims);
    if (process.pid === 0) {
      const { connection } = presented;
      return { connection, uid: process.uid, mayFollow: podUid !== undefined };
    }
    // A token that names no pod says nothing against the process, which had to have it.
    if (podUid === undefined) return { name: `process ${presented.process()}` };
    const container = containers.read(process.pid);
    if (container?.podUid !== podUid) {
      throw fail(
        "denied",
        container?.podUid === undefined
          ? "token is a pod's, and the calling process is in no pod"
          : "token is of another pod than the calling process",
      );
    }
    return { name: `pod ${podUid}` };
  };

  /** A user, or a container or pod of the system: root in one has no part of root's places in another. */
  const shareOf = ({ pid, uid }: ProcessFacts, podUid: string | undefined): string => {
    if (podUid !== undefined) return `pod ${podUid}`;
    if (pid === 0) return `user ${uid} elsewhere`;
    try {
      const container = containers.read(pid);
      if (container !== undefined) {
        const { podUid: ownPod, containerId } = container;
        return ownPod === undefined ? `container ${containerId}` : `pod ${ownPod}`;
      }
    } catch {
      // Its cgroups contradict each other: it counts as its user's.
    }
    return `user ${uid}`;
  };

  return {
    type: TOKEN_TYPE,
    names: aliases,
    takesTokens: true,
    noteUnread: (caller, error) => outcomes.noteUnread(caller, error),
    async attest(process, call: AttestCall) {
      const { signal, onGap, token } = call;
      signal.throwIfAborted();
      if (token === undefined) {
        onGap({ names: aliases, reason: outcomes.explain(process), isTransient: false });
        return [];
      }
      try {
        const selectors = await admit(process, token, call);
        outcomes.note(process, undefined);
        return selectors;
      } catch (thrown) {
        outcomes.note(process, errorFrom(thrown));
        throw thrown;
      }
    },
  };
}

function checkClaims(
  { alias, claims }: VerifiedToken,
  required: ReadonlyMap<string, readonly string[]> | undefined,
): void {
  if (required === undefined) throw fail("denied", `tokens of issuer ${alias} count for nothing`);
  for (const [name, values] of required) {
    const value = claimText(claims, name);
    if (value === undefined || !values.includes(value)) {
      throw fail("denied", `token claim ${name} is not one that counts on this host`);
    }
  }
}

/** @throws denied for a pod that cannot be told from others: it must not pass for a token that names none */
function podUidOf(claims: VerifiedToken["claims"]): string | undefined {
  const { "kubernetes.io": kubernetes } = claims as { "kubernetes.io"?: unknown };
  const names = typeof kubernetes === "object" && kubernetes !== null && "pod" in kubernetes;
  const podUid = claimText(claims, POD_UID);
  if (names && podUid === undefined) throw fail("denied", "token names a pod without its uid");
  return podUid;
}

const NOTHING: readonly Selector[] = [];
export const TOKEN_TYPE = "token";
/** Of a bound service account token (Kubernetes, "Bound service account tokens"). */
const POD_UID = "kubernetes.io/pod/uid";
