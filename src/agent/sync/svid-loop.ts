import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import { Pause } from "../../base/pause.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Cache } from "../cache/cache.ts";
import type { Entry } from "../cache/entry.ts";
import { InVain } from "./in-vain.ts";
import type { SvidMaker } from "./svid-maker.ts";

export interface SvidLoopOptions {
  readonly cache: Cache;
  readonly maker: Pick<SvidMaker, "make">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** True once nothing new will be signed for this agent. */
  readonly isFading: () => boolean;
  /** Fading, and the last SVID has ended. */
  readonly onEmpty: () => void;
}

/**
 * Has the cache's SVIDs signed: the awaited ones first, the others at their time, and those that nobody has asked for yet
 * at a measured pace: whoever registers thousands of entries is not to wait for their certificates.
 */
export class SvidLoop implements AsyncDisposable {
  readonly #options: SvidLoopOptions;
  readonly #loop: Loop;
  /** Authorities whose SVIDs are replaced. */
  #replaced: ReadonlySet<string> = new Set();
  #isFailing = false;
  /** Between what is made ahead. */
  readonly #aheadPause: Pause;
  readonly #inVain: InVain;

  constructor(options: SvidLoopOptions) {
    this.#options = options;
    const { cache, clock, random, logger } = options;
    this.#aheadPause = new Pause(clock);
    this.#inVain = new InVain({ clock, logger });
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
    this.#inVain.reset();
    this.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop[Symbol.asyncDispose]();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { cache, maker, isFading, onEmpty } = this.#options;
    const { awaited, others, ahead } = cache.due(this.#replaced);
    if (isFading()) {
      if (cache.svidCount === 0) onEmpty();
      return SVID_CHECK_MS;
    }
    const replaceable = this.#inVain.pick(others);
    const due = awaited.length > 0 ? awaited : replaceable;
    if (cache.synced && due.length > 0) {
      // A few at a time, so that a stream that comes now waits for its own SVIDs and not for everyone's.
      const batch = due.slice(0, SVIDS_PER_ROUND);
      await maker.make(batch, signal);
      this.#isFailing = false;
      if (due === replaceable) this.#inVain.replaced(batch);
      return 0;
    }
    if (cache.synced && ahead.length > 0) await this.#makeAhead(ahead, signal);
    this.#isFailing = false;
    return ahead.length > 0 ? this.#aheadPause.leftMs : SVID_CHECK_MS;
  }

  async #makeAhead(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const { maker, random } = this.#options;
    // Woken earlier: by another update, most likely.
    if (this.#aheadPause.leftMs > 0) return;
    await maker.make(entries, signal);
    this.#aheadPause.begin(AHEAD_PAUSE_MS * (0.5 + random.unit()));
  }
}

const SVID_CHECK_MS = 5000;
const SVIDS_PER_ROUND = 200;
/** With twenty at a time: a hundred in a second. */
const AHEAD_PAUSE_MS = 200;
