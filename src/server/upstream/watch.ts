import type { Clock } from "../../base/clock.ts";
import { toBase64 } from "../../base/bytes.ts";
import { withDeadline } from "../../base/deadline.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import { OFFLINE, type Upstream, type UpstreamBundle } from "./contract.ts";

export interface UpstreamWatchOptions {
  readonly upstream: Upstream | typeof OFFLINE;
  readonly authorities: {
    followUpstream(bundle: UpstreamBundle, isWhole: boolean): Promise<void>;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Looks at an upstream's roots now and then, and has changes taken over. */
export class UpstreamWatcher implements AsyncDisposable {
  readonly #loop: Loop | undefined;
  #seen = "";
  #trouble: string | undefined;

  constructor({ upstream, authorities, clock, random, logger }: UpstreamWatchOptions) {
    if (upstream === OFFLINE || upstream.watch === undefined) return;
    const { watch, authority } = upstream;
    const { name } = authority;
    this.#loop = new Loop({
      name: `roots of upstream ${name}`,
      clock,
      random,
      backoff: { maxMs: MAX_RETRY_MS },
      round: async (signal) => {
        const limits = { clock, deadlineMs: DEADLINE_MS, signal, who: `upstream ${name}` };
        const bundle = await withDeadline(limits, (end) => watch.look(end));
        const mark = markOf(bundle);
        if (mark !== this.#seen) {
          await authorities.followUpstream(bundle, watch.isWhole);
          logger.info("roots of the upstream authority taken over", {
            upstream: name,
            count: bundle.x509Authorities.length,
          });
        }
        this.#seen = mark;
        this.#trouble = undefined;
        return watch.pollMs;
      },
      onError: (error, retryMs) => {
        if (this.#trouble !== error.message) {
          logger.warn("roots of the upstream authority could not be seen", {
            upstream: name,
            error,
            retryMs,
          });
        }
        this.#trouble = error.message;
      },
    });
  }

  /** Why the upstream could not be looked at, while that is so. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop?.[Symbol.asyncDispose]();
  }
}

function markOf({ x509Authorities, jwtAuthorities }: UpstreamBundle): string {
  return JSON.stringify([
    x509Authorities.map(({ der, tainted }) => [toBase64(der), tainted]),
    jwtAuthorities.map(({ keyId, expiresAt, tainted }) => [keyId, expiresAt, tainted]),
  ]);
}

const DEADLINE_MS = 15_000;
/** A taint has to get through soon after the upstream is back. */
const MAX_RETRY_MS = 5000;
