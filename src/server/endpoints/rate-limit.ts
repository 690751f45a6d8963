import { type Clock, sleep } from "../../base/clock.ts";
import { LruMap } from "../../base/lru.ts";
import { fail } from "../../base/errors.ts";

export interface Rate {
  /** Steady rate for one key; 0 = unlimited. */
  readonly perSecond: number;
  /** How much a key that was quiet may take at once. */
  readonly burst: number;
}

export interface RateLimitOptions extends Rate {
  readonly clock: Clock;
}

interface Bucket {
  /** May be negative: what callers who wait have taken ahead. */
  level: number;
  atMs: number;
}

/**
 * Token buckets by key. Callers over the rate wait their turn for a short while, as they do at SPIRE's server, and are
 * refused when the queue is longer than that. The number of buckets is bounded; the one unused for longest goes first.
 */
export class RateLimit {
  readonly #clock: Clock;
  #rate: Rate;
  readonly #buckets = new LruMap<string, Bucket>(MAX_BUCKETS);

  constructor({ clock, ...rate }: RateLimitOptions) {
    this.#clock = clock;
    this.#rate = rate;
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
    const bucket = this.#refill(key);
    const missing = count - bucket.level;
    const waitMs = (missing / perSecond) * 1000;
    if (waitMs > MAX_WAIT_MS) {
      throw fail("limited", `too many requests; at most ${perSecond} a second are served`);
    }
    bucket.level -= count;
    if (missing > 0) await sleep(this.#clock, waitMs, signal);
  }

  #refill(key: string): Bucket {
    const { perSecond, burst } = this.#rate;
    const now = this.#clock.nowMs();
    const bucket = this.#buckets.get(key) ?? { level: burst, atMs: now };
    // A clock that was set back refills nothing.
    const passed = Math.max(0, now - bucket.atMs) / 1000;
    bucket.level = Math.min(burst, bucket.level + passed * perSecond);
    bucket.atMs = now;
    this.#buckets.set(key, bucket);
    return bucket;
  }
}

const MAX_BUCKETS = 10_000;
const MAX_WAIT_MS = 5000;
