import { fail } from "../../../base/errors.ts";

/**
 * Lets so many tasks run at a time; further ones wait, up to a bound. A file system that hangs then holds these slots
 * and not every thread of the process.
 */
export class Slots {
  readonly #max: number;
  readonly #maxWaiting: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number, maxWaiting: number) {
    this.#max = max;
    this.#maxWaiting = maxWaiting;
  }

  /** @throws limited when too many wait already; what the task throws */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) {
      if (this.#waiting.length >= this.#maxWaiting) {
        throw fail("limited", "too many executables wait to be looked at");
      }
      // Whoever frees a slot hands it over.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
