import { type Clock, sleep } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { type BucketRate, TokenBuckets } from "../../base/token-buckets.ts";

/** Of one key. A rate of 0 is none: whoever asks passes. */
export type Rate = BucketRate;

export interface RateLimitOptions extends Rate {
  readonly clock: Clock;
}

/**
 * Token buckets by key. Callers over the rate wait their turn for a short while, as they do at SPIRE's server, and are
 * refused when the queue is longer than that. The number of buckets is bounded; the one unused for longest goes first.
 */
export class RateLimit {
  readonly #clock: Clock;
  #rate: Rate;
  readonly #buckets: TokenBuckets;

  constructor({ clock, ...rate }: RateLimitOptions) {
    this.#clock = clock;
    this.#rate = rate;
    this.#buckets = new TokenBuckets(clock, MAX_BUCKETS);
  }

  /** From now on; what callers have taken stays taken. */
  setRate(rate: Rate): void {
    this.#rate = rate;
  }

  /** @throws limited when `count` is more than a burst or the wait would be too long; the signal's reason */
  async take(key: string, count: number, signal: AbortSignal): Promise<void> {
    const { perSecond, burst } = this.#rate;
    if (perSecond <= 0) return;
    if (count > burst) {
      throw fail("limited", `request for ${count} at once exceeds the burst of ${burst}`);
    }
    const bucket = this.#buckets.filled(key, this.#rate);
    const missing = count - bucket.level;
    const waitMs = (missing / perSecond) * 1000;
    if (waitMs > MAX_WAIT_MS) {
      throw fail("limited", `too many requests; at most ${perSecond} a second are served`);
    }
    bucket.level -= count;
    if (missing > 0) await sleep(this.#clock, waitMs, signal);
  }
}

const MAX_BUCKETS = 10_000;
const MAX_WAIT_MS = 5000;
