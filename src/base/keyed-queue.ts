import { fail } from "./errors.ts";

/** Runs tasks of one key one after another, tasks of different keys side by side. */
export class KeyedQueue {
  readonly #noun: string;
  readonly #tails = new Map<string, { tail: Promise<void>; waiting: number }>();

  /** @param noun what a key stands for, in the error of a queue that is full: `agent` */
  constructor(noun: string) {
    this.#noun = noun;
  }

  /** @throws limited when too many wait for this key */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const slot = this.#tails.get(key) ?? { tail: Promise.resolve(), waiting: 0 };
    if (slot.waiting >= MAX_WAITING_PER_KEY) {
      throw fail(
        "limited",
        `too many requests for the same ${this.#noun} at once; try again later`,
      );
    }
    slot.waiting += 1;
    const result = slot.tail.then(task);
    // The caller gets the error from `result`; the queue goes on.
    slot.tail = result.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(key, slot);
    try {
      return await result;
    } finally {
      slot.waiting -= 1;
      if (slot.waiting === 0) this.#tails.delete(key);
    }
  }
}

const MAX_WAITING_PER_KEY = 256;
