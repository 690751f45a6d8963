import type { Clock } from "./clock.ts";
import { LruMap } from "./lru.ts";

/** How fast a bucket fills, and how much it holds: as much as who was quiet may take at once. */
export interface BucketRate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface TokenBucket {
  /** What may be taken now. May be made negative, by whoever takes ahead and waits. */
  level: number;
  /** When it was filled last. */
  atMs: number;
}

/** Token buckets by key. Their number is bounded: the one that was unused for longest goes first, and comes back full. */
export class TokenBuckets {
  readonly #clock: Clock;
  readonly #buckets: LruMap<string, TokenBucket>;

  /** @param max keys that are remembered */
  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#buckets = new LruMap(max);
  }

  /** The key's bucket with all that came into it since the last time; what is taken is taken off its level. */
  filled(key: string, { perSecond, burst }: BucketRate): TokenBucket {
    const now = this.#clock.nowMs();
    const bucket = this.#buckets.get(key) ?? { level: burst, atMs: now };
    // A clock that was set back fills nothing.
    const passed = Math.max(0, now - bucket.atMs) / 1000;
    bucket.level = Math.min(burst, bucket.level + passed * perSecond);
    bucket.atMs = now;
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
