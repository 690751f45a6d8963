import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Cache } from "../cache/cache.ts";
import type { SvidMaker } from "./svid-maker.ts";

export interface SvidLoopOptions {
  readonly cache: Cache;
  readonly maker: SvidMaker;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** True once nothing new will be signed for this agent. */
  readonly isFading: () => boolean;
  /** Fading, and the last SVID has ended. */
  readonly onEmpty: () => void;
}

/** Has the cache's SVIDs signed: the awaited ones first, the others at their time. */
export class SvidLoop implements AsyncDisposable {
  readonly #options: SvidLoopOptions;
  readonly #loop: Loop;
  /** Authorities whose SVIDs are replaced. */
  #replaced: ReadonlySet<string> = new Set();
  #isFailing = false;

  constructor(options: SvidLoopOptions) {
    this.#options = options;
    const { cache, clock, random, logger } = options;
    this.#loop = new Loop({
      name: "svids",
      clock,
      random,
      round: (signal) => this.#round(signal),
      backoff: { baseMs: 1000, maxMs: 60_000, jitter: 0.2 },
      onError: (error, retryMs) => {
        this.#isFailing = true;
        logger.warn("SVIDs were not signed; serving on what is held", {
          error,
          retryMs,
        });
      },
    });
    // Streams that wait must not turn a server that fails into one that is stormed.
    cache.onMissing = () => {
      if (!this.#isFailing && !options.isFading()) this.wake();
    };
  }

  wake(): void {
    this.#loop.wake();
  }

  /** From now on SVIDs of these authorities are replaced. */
  replace(authorityIds: ReadonlySet<string>): void {
    this.#replaced = authorityIds;
    this.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop[Symbol.asyncDispose]();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { cache, maker, isFading, onEmpty } = this.#options;
    const { awaited, others } = cache.due(this.#replaced);
    if (isFading()) {
      if (cache.svidCount === 0) onEmpty();
      return SVID_CHECK_MS;
    }
    // A few at a time, so that a stream that comes now waits for its own SVIDs and not for everyone's.
    const due = awaited.length > 0 ? awaited : others;
    if (cache.synced) await maker.make(due.slice(0, SVIDS_PER_ROUND), signal);
    this.#isFailing = false;
    return due.length > SVIDS_PER_ROUND || due === awaited ? 0 : SVID_CHECK_MS;
  }
}

const SVID_CHECK_MS = 5000;
const SVIDS_PER_ROUND = 200;
