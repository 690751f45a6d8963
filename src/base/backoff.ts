import type { Random } from "./random.ts";

export interface BackoffOptions {
  /** The first delay; a second unless given. */
  readonly baseMs?: number;
  /** Delays double up to this. */
  readonly maxMs: number;
  /** Share of the delay that is random, 0..1; a fifth unless given. */
  readonly jitter?: number;
}

/** Exponential delays with jitter; `reset` after a success. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempt = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** The delay after one more failure. */
  nextMs(): number {
    const { baseMs = 1000, maxMs, jitter = 0.2 } = this.#options;
    const plain = Math.min(maxMs, baseMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return plain * (1 - jitter * this.#random.unit());
  }

  reset(): void {
    this.#attempt = 0;
  }
}
