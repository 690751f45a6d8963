import type { Clock } from "../../base/clock.ts";
import { type BucketRate, TokenBuckets } from "../../base/token-buckets.ts";

/** Denials of one kind that were counted and not written one by one. */
export interface Suppressed {
  readonly action: string;
  readonly outcome: string;
  readonly count: number;
}

/**
 * How many denials are written one by one, so that a flood of them does not fill the disk: some a second for each
 * caller who is known, and for all who are not together. The rest is counted by method and outcome.
 */
export class DenialBudget {
  readonly #buckets: TokenBuckets;
  readonly #suppressed = new Map<string, { action: string; outcome: string; count: number }>();

  constructor(clock: Clock) {
    this.#buckets = new TokenBuckets(clock, MAX_CALLERS);
  }

  /** @param callerId undefined for callers who have proved nothing */
  take(callerId: string | undefined, action: string, outcome: string): boolean {
    const bucket = this.#buckets.filled(callerId ?? STRANGERS, RATE);
    if (bucket.level >= 1) {
      bucket.level -= 1;
      return true;
    }
    const key = `${action} ${outcome}`;
    const known = this.#suppressed.get(key);
    if (known !== undefined) known.count += 1;
    else this.#suppressed.set(key, { action, outcome, count: 1 });
    return false;
  }

  /** What was counted since the last time. Methods and outcomes are closed sets, and so is the answer. */
  drain(): readonly Suppressed[] {
    const counted = [...this.#suppressed.values()];
    this.#suppressed.clear();
    return counted;
  }
}

/** No SPIFFE ID. */
const STRANGERS = "";
const MAX_CALLERS = 10_000;
const RATE: BucketRate = { perSecond: 5, burst: 50 };
