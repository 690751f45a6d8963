import type { Clock } from "../../../../base/clock.ts";
import { LruMap } from "../../../../base/lru.ts";
import { type TokenBucket, fill } from "../../../../base/token-buckets.ts";

/** How much each key may still do: buckets that fill evenly in their window. So many are kept; the one unused for longest goes first. */
export class Buckets {
  readonly windowMs: number;
  #limit: number;
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, TokenBucket>(MAX_BUCKETS);

  /** @param limit 0 = none */
  constructor(limit: number, windowMs: number, clock: Clock) {
    this.#limit = limit;
    this.windowMs = windowMs;
    this.#clock = clock;
  }

  get limit(): number {
    return this.#limit;
  }

  /** What was counted stays, but where nothing was limited. */
  set limit(limit: number) {
    if (this.#limit === 0) this.#buckets.clear();
    this.#limit = limit;
  }

  has(key: string): boolean {
    return this.#buckets.get(key) !== undefined;
  }

  /** What it did within the window that ends now, and that is not counted here. @param times milliseconds, oldest first */
  replay(key: string, times: readonly number[]): void {
    const now = this.#clock.nowMs();
    // Empty: whoever did nothing since has a full one by now, and nobody more than it would have had.
    const bucket = { level: 0, atMs: now - this.windowMs };
    for (const time of times) {
      this.#fill(bucket, Math.min(time, now));
      bucket.level = Math.max(0, bucket.level - 1);
    }
    this.#fill(bucket, now);
    this.#buckets.set(key, bucket);
  }

  /** @returns seconds until one more fits; 0 = now */
  wait(key: string): number {
    if (this.#limit === 0) return 0;
    const { level } = this.#filled(key);
    if (level >= 1) return 0;
    return Math.ceil(((1 - level) * this.windowMs) / this.#limit / 1000);
  }

  take(key: string): void {
    if (this.#limit === 0) return;
    const bucket = this.#filled(key);
    bucket.level = Math.max(0, bucket.level - 1);
    this.#buckets.set(key, bucket);
  }

  #filled(key: string): TokenBucket {
    const now = this.#clock.nowMs();
    const bucket = this.#buckets.get(key) ?? { level: this.#limit, atMs: now };
    this.#fill(bucket, now);
    return bucket;
  }

  #fill(bucket: TokenBucket, now: number): void {
    fill(bucket, now, this.#limit, (passedMs) => (passedMs / this.windowMs) * this.#limit);
  }
}

const MAX_BUCKETS = 50_000;
