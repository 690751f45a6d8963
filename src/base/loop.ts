import { Backoff, type BackoffOptions } from "./backoff.ts";
import { type Clock, sleep } from "./clock.ts";
import { type AssayError, errorFrom } from "./errors.ts";
import type { Random } from "./random.ts";

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** One round; returns the delay until the next one in milliseconds. */
  readonly round: (signal: AbortSignal) => Promise<number>;
  /** Delay after a failed round. */
  readonly backoff: BackoffOptions;
  /** The longest delay after this failure, in milliseconds, where something ends before the backoff would. */
  readonly retryWithinMs?: () => number;
  /** Told of each failure, and of the whole milliseconds until the next round; the loop goes on. */
  readonly onError: (error: AssayError, retryMs: number) => void;
}

/**
 * A supervised background loop: one round at a time, backs off on failure, ends when disposed.
 * `wake` runs the next round at once (or right after the present one).
 */
export class Loop implements AsyncDisposable {
  readonly #options: LoopOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #wake: AbortController | undefined;
  #woken = false;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake?.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { clock, random, round, onError, retryWithinMs } = this.#options;
    const backoff = new Backoff(this.#options.backoff, random);
    const stopped = this.#stop.signal;
    while (!stopped.aborted) {
      let delayMs: number;
      this.#woken = false;
      try {
        delayMs = await round(stopped);
        backoff.reset();
      } catch (thrown) {
        if (stopped.aborted) return;
        delayMs = Math.round(Math.min(backoff.nextMs(), retryWithinMs?.() ?? Infinity));
        onError(errorFrom(thrown), delayMs);
      }
      if (stopped.aborted) return;
      if (this.#woken) continue;
      const wake = new AbortController();
      this.#wake = wake;
      // The only reason to reject is the wake-up itself, which is what we wait for.
      await sleep(clock, delayMs, wake.signal).catch(() => undefined);
      this.#wake = undefined;
    }
  }
}
