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
import type { K8sAttestor } from "../kubernetes/attest.ts";
import type { PodClaim } from "../kubernetes/pod-search.ts";
import { MAX_BEARER } from "./bearer.ts";
import { type Containers, holderOf, shareOf } from "./holder-of.ts";
import { TokenHolders } from "./holders.ts";
import { ONE_TIME_ALIAS, type OneTimeTokens, isOneTimeToken } from "./one-time.ts";
import { TokenOutcomes } from "./outcomes.ts";
import { podClaimOf } from "./pod-claim.ts";
import type { TokenReviews } from "./reviews.ts";

export interface TokenAttestorOptions {
  /** `OidcIssuers`. */
  readonly issuers: {
    verify(token: string, signal: AbortSignal): Promise<VerifiedToken>;
  };
  /** By issuer alias: claims (named as in selectors) with the values of which a token must have one. */
  readonly requiredClaims: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  /** Every alias that a selector can have. */
  readonly aliases: readonly string[];
  readonly containers: Containers;
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
  const { issuers, requiredClaims, aliases, containers, clock, oneTime, reviews } = options;
  const holders = options.holders ?? new TokenHolders();
  const outcomes = new TokenOutcomes(clock);

  const verified = async (text: string, signal: AbortSignal): Promise<VerifiedToken> => {
    const token = await issuers.verify(text, signal);
    checkClaims(token, requiredClaims.get(token.alias));
    await reviews?.get(token.alias)?.check(text, token, signal);
    return token;
  };

  const admit = async (
    process: ProcessFacts,
    presented: PresentedToken,
    call: AttestCall,
  ): Promise<readonly Selector[]> => {
    if (presented.token === "") {
      throw fail(
        "invalid",
        `authorization is not one 'Bearer TOKEN' of at most ${MAX_BEARER} characters`,
      );
    }
    if (oneTime !== undefined && isOneTimeToken(presented.token)) {
      const share = shareOf(process, undefined, containers);
      const entryId = await oneTime.entryOf(presented.token, presented.connection, share);
      return [{ type: TOKEN_TYPE, value: `${ONE_TIME_ALIAS}:entry:${entryId}` }];
    }
    const token = await verified(presented.token, call.signal);
    const claim = podClaimOf(token.claims);
    const podUid = claim?.uid;
    // Before anything is bound: a pod that is not here must not take a place.
    const ofPod = process.pid === 0 ? await podSelectors(claim, token.alias, call) : NOTHING;
    holders.hold({
      fingerprint: token.fingerprint,
      holder: holderOf(process, { presented, podUid }, containers),
      share: shareOf(process, podUid, containers),
      until: token.refusedFrom,
      now: epochSeconds(clock),
    });
    presented.onEnd(token.refusedFrom);
    return [...claimSelectors(TOKEN_TYPE, token), ...ofPod];
  };

  const podSelectors = async (
    claim: PodClaim | undefined,
    alias: string,
    { signal, onGap }: AttestCall,
  ): Promise<readonly Selector[]> => {
    const { pods, podIssuers } = options;
    if (claim === undefined || pods === undefined) return NOTHING;
    if (podIssuers?.has(alias) !== true) return NOTHING;
    // Of another type's names: its reason says which.
    return pods.selectorsOfPod(claim, { signal, onGap: (gap) => onGap({ ...gap, names: [] }) });
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

const NOTHING: readonly Selector[] = [];
export const TOKEN_TYPE = "token";
