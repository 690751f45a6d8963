import { Backoff } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { errorFrom } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";

/** When what failed is tried again, and why it failed: an upstream that refuses is not asked in every round. */
export class Retries {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #atMs = 0;
  #trouble: string | undefined;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#backoff = new Backoff({ maxMs: MAX_MS }, random);
  }

  /** Of the last try, if that failed. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  isDue(): boolean {
    const waitMs = this.#atMs - this.#clock.nowMs();
    // A clock that was set back must not stop it for longer than the backoff itself.
    return waitMs <= 0 || waitMs > MAX_MS;
  }

  async watch<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      this.#trouble = errorFrom(thrown).message;
      this.#atMs = this.#clock.nowMs() + this.#backoff.nextMs();
      throw thrown;
    }
  }

  succeeded(): void {
    this.#backoff.reset();
    this.#atMs = 0;
    this.#trouble = undefined;
  }
}

const MAX_MS = 5 * 60_000;
