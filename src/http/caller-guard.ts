/**
 * Against callers that keep sending what cannot be meant well: wrong tokens, requests that no program makes. Each one
 * is answered later than the one before, and beyond a bound not at all for a while. It is asked once an answer is known
 * to be a bad one, so that a good call passes whoever else comes from its address.
 */
import { addressKey } from "../base/address-key.ts";
import { type Clock, sleep } from "../base/clock.ts";
import { LruMap } from "../base/lru.ts";

export interface CallerGuardOptions {
  readonly clock: Clock;
  /** Bad calls of one address that are answered at once; default 5. */
  readonly free?: number;
  /** From this many on there is no answer; default 20. */
  readonly cutAt?: number;
  /** How long there is none, counted from the last bad call; default 60 s. */
  readonly cutSeconds?: number;
  /** One bad call is forgotten in this time; default 10 s. */
  readonly forgetSeconds?: number;
}

/** What becomes of the answer to a bad call: sent at once, later, or never. */
export type GuardOutcome = "answered" | "slowed" | "cut";

export class CallerGuard {
  readonly #clock: Clock;
  readonly #free: number;
  readonly #cutAt: number;
  readonly #cutMs: number;
  readonly #forgetMs: number;
  readonly #callers = new LruMap<string, CallerRecord>(MAX_CALLERS);
  #held = 0;

  constructor(options: CallerGuardOptions) {
    const { clock, free = 5, cutAt = 20, cutSeconds = 60, forgetSeconds = 10 } = options;
    this.#clock = clock;
    this.#free = free;
    this.#cutAt = cutAt;
    this.#cutMs = cutSeconds * 1000;
    this.#forgetMs = forgetSeconds * 1000;
  }

  /** How many answers wait. */
  get held(): number {
    return this.#held;
  }

  /** Whether bad calls from there have no answer now. */
  isCut(remoteAddress: string): boolean {
    return (this.#callers.get(addressKey(remoteAddress))?.cutUntilMs ?? 0) > this.#clock.nowMs();
  }

  /**
   * Counts a bad call, and waits as long as its answer has to.
   * @throws the signal's reason, when the caller leaves meanwhile
   */
  async bad(remoteAddress: string, signal: AbortSignal): Promise<GuardOutcome> {
    const key = addressKey(remoteAddress);
    const now = this.#clock.nowMs();
    const caller = this.#callers.get(key) ?? { count: 0, atMs: now, cutUntilMs: 0, held: 0 };
    // A clock that was set back forgets nothing.
    const forgotten = Math.max(0, now - caller.atMs) / this.#forgetMs;
    caller.count = Math.max(0, caller.count - forgotten) + 1;
    caller.atMs = now;
    this.#callers.set(key, caller);
    if (caller.count > this.#cutAt) {
      // No more than that: it is the wait which counts, however much was sent.
      caller.count = this.#cutAt;
      caller.cutUntilMs = now + this.#cutMs;
    }
    if (caller.cutUntilMs > now) {
      caller.cutUntilMs = now + this.#cutMs;
      return "cut";
    }
    const over = caller.count - this.#free;
    if (over <= 0) return "answered";
    // Answers that wait hold connections.
    if (caller.held >= MAX_HELD_A_CALLER || this.#held >= MAX_HELD) return "cut";
    caller.held += 1;
    this.#held += 1;
    try {
      const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (Math.ceil(over) - 1));
      await sleep(this.#clock, delayMs, signal);
      return "slowed";
    } finally {
      caller.held -= 1;
      this.#held -= 1;
    }
  }
}

interface CallerRecord {
  /** Bad calls, less what was forgotten. */
  count: number;
  /** Of the last one. */
  atMs: number;
  cutUntilMs: number;
  /** Answers that wait. */
  held: number;
}

/** Remembered; the one that was quiet for longest goes first. */
const MAX_CALLERS = 10_000;
const MAX_HELD_A_CALLER = 8;
const MAX_HELD = 256;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
