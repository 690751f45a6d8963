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

/** What came into a bucket since the last time. @param gained in so many milliseconds */
export function fill(
  bucket: TokenBucket,
  nowMs: number,
  burst: number,
  gained: (passedMs: number) => number,
): void {
  // A clock that was set back fills nothing.
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.level = Math.min(burst, bucket.level + gained(passedMs));
  bucket.atMs = nowMs;
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
    fill(bucket, now, burst, (passedMs) => (passedMs / 1000) * perSecond);
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
