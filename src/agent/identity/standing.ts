/** How the agent stands with its server: its own SVID kept fresh, what a refusal means, and when it is over. */
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import { AuthorityWatch } from "../cache/authority-watch.ts";
import type { Cache } from "../cache/cache.ts";
import type { AgentIdentity } from "./agent-identity.ts";
import { EXPIRED, type NodeAttestation, bannedError, refusedError } from "./node-attestation.ts";
import { RenewNow } from "./renew-now.ts";

export interface StandingOptions {
  readonly identity: AgentIdentity;
  readonly cache: Pick<Cache, "ownBundle" | "svidCount">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether it can prove itself again where its SVID does not do any more. */
  readonly canReattest: () => boolean;
  /** The SVID has been looked at, and may be another. */
  readonly onRenewed: () => void;
  /** Nothing new will come; what is held is served until it ends. */
  readonly onFading: () => void;
  /** The agent has to end. Called once or more. */
  readonly onFailed: (error: AssayError) => void;
}

export class Standing {
  readonly #options: StandingOptions;
  readonly #renewal: RenewNow;
  /** From when the agent has its identity. */
  #kept: { readonly attestation: NodeAttestation; readonly loop: Loop } | undefined;
  #isRenewing = false;
  #fading: AssayError | undefined;

  constructor(options: StandingOptions) {
    this.#options = options;
    this.#renewal = new RenewNow(options.clock);
  }

  get isFading(): boolean {
    return this.#fading !== undefined;
  }

  /** Renews the SVID before it ends, until the loop is disposed. */
  keep(attestation: NodeAttestation): Loop {
    const { identity, cache, clock, random, logger, onRenewed } = this.#options;
    const taintedOf = new AuthorityWatch();
    const loop = new Loop({
      name: "identity",
      clock,
      random,
      round: async (signal) => {
        if (identity.svid === undefined) await attestation.attest(signal);
        if (cache.ownBundle !== undefined) taintedOf.see(cache.ownBundle);
        this.#isRenewing = true;
        const fresh = attestation.keepFresh(taintedOf.lost, signal);
        const dueInMs = await fresh.finally(() => (this.#isRenewing = false));
        onRenewed();
        return Math.min(Math.max(dueInMs, ROUND_MIN_MS), ROUND_MAX_MS);
      },
      backoff: { maxMs: 30_000 },
      // However short its life: a server that is back before the SVID ends is to be met.
      retryWithinMs: () => {
        const leftMs = (identity.svid?.expiresAt ?? 0) * 1000 - clock.nowMs();
        return leftMs > 0 ? Math.max(ROUND_MIN_MS, leftMs / TRIES_LEFT) : Infinity;
      },
      onError: (error, retryMs) => {
        if (error.kind !== "precondition") {
          logger.warn("the agent's SVID was not renewed", { error, retryMs });
        } else if (error.reason === EXPIRED) this.#fade(error);
        else this.#options.onFailed(error);
      },
    });
    this.#kept = { attestation, loop };
    return loop;
  }

  wakeRenewal(): void {
    this.#kept?.loop.wake();
  }

  /** The SVID is to be renewed whatever its age. */
  outdate(): void {
    this.#kept?.attestation.outdate();
  }

  /**
   * The server denied a call. An authority may have been tainted while the agent was away, and then nothing but a renewal
   * is taken.
   */
  denied(): void {
    // What is denied to a renewal itself is no reason for the next one.
    if (this.#isRenewing || !this.#renewal.isDue(this.#kept?.attestation.isDue ?? false)) return;
    this.outdate();
    this.wakeRenewal();
  }

  /** The server refuses the agent itself. */
  refused(error: AssayError): void {
    const { identity, clock, logger, onFailed } = this.#options;
    if (error.reason === "AGENT_BANNED") {
      const path = identity.svid?.spiffeId.path ?? JOIN_TOKEN_AGENTS;
      // Dropped, so that the folder can be used again: the server refuses the ID itself, not this SVID alone.
      void this.#drop();
      onFailed(bannedError(error, path.startsWith(JOIN_TOKEN_AGENTS)));
      return;
    }
    const { svid } = identity;
    if (svid === undefined || this.isFading) return;
    const canReattest = svid.reattestable || this.#options.canReattest();
    if (error.reason === EXPIRED && !canReattest) {
      // One of the two clocks is wrong, which may pass; when it is over by the own one, `keepFresh` says so.
      if (svid.expiresAt > epochSeconds(clock)) logger.warn(CLOCKS_DIFFER, { error });
      else this.#fade(refusedError(error));
      return;
    }
    logger.warn("the server does not accept the agent's SVID any more", { error });
    void this.#drop();
    if (canReattest) this.wakeRenewal();
    else onFailed(refusedError(error));
  }

  /** The last SVID that the agent held for a workload has ended. */
  emptied(): void {
    if (this.#fading !== undefined) this.#options.onFailed(this.#fading);
  }

  /** Its own time ran out, that of its workloads' SVIDs may not have: those are served until the last one ends. */
  #fade(error: AssayError): void {
    const { cache, logger, onFading, onFailed } = this.#options;
    if (this.#fading !== undefined) return;
    this.#fading = error;
    if (cache.svidCount === 0) {
      onFailed(error);
      return;
    }
    logger.error("the agent gets nothing new; it stops when the last SVID it holds ends", {
      error,
      held: cache.svidCount,
    });
    onFading();
  }

  async #drop(): Promise<void> {
    try {
      await this.#options.identity.drop();
    } catch (thrown) {
      this.#options.logger.error("the dropped SVID is still on disk", { error: errorFrom(thrown) });
    }
  }
}

/** Below this are the IDs that SPIRE and Assay give for join tokens. */
const JOIN_TOKEN_AGENTS = "/spire/agent/join_token/";
const CLOCKS_DIFFER =
  "the agent's SVID has expired by the server's clock, and has not by this host's: compare them";
const ROUND_MIN_MS = 1000;
const ROUND_MAX_MS = 3600_000;
/** A retry waits for no more than this part of what is left of the SVID. */
const TRIES_LEFT = 8;
