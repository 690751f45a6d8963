import type { Clock } from "./clock.ts";

/**
 * Resources that are replaced while they are in use: those of before are let go a while after their successors came, so
 * that whoever began with them can finish.
 */
export class Generations implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #onError: (error: unknown) => void;
  #current: AsyncDisposable | undefined;
  #prepared: AsyncDisposable | undefined;
  /** With how to end the wait. */
  readonly #retired = new Map<AsyncDisposable, () => void>();

  /** @param onError told of what one that is let go throws */
  constructor(clock: Clock, graceMs: number, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#onError = onError;
  }

  /**
   * Takes the next generation, which nobody uses yet. One that was taken before and never begun is let go.
   * @returns what begins it, and cannot fail
   */
  prepare(next: AsyncDisposable): () => void {
    this.#letGo(this.#prepared);
    this.#prepared = next;
    return () => {
      if (this.#prepared !== next) return;
      this.#prepared = undefined;
      this.#retire(this.#current);
      this.#current = next;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#retired.keys(), this.#prepared, this.#current];
    for (const cancel of this.#retired.values()) cancel();
    this.#retired.clear();
    this.#prepared = undefined;
    this.#current = undefined;
    for (const each of all) await each?.[Symbol.asyncDispose]();
  }

  #retire(generation: AsyncDisposable | undefined): void {
    if (generation === undefined) return;
    const cancel = this.#clock.after(this.#graceMs, () => {
      this.#retired.delete(generation);
      this.#letGo(generation);
    });
    this.#retired.set(generation, cancel);
  }

  #letGo(generation: AsyncDisposable | undefined): void {
    if (generation === undefined) return;
    // What waits for it has long gone; it must not end the process.
    Promise.resolve(generation[Symbol.asyncDispose]()).catch(this.#onError);
  }
}
