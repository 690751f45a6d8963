import { fail } from "../../../base/errors.ts";

export interface SlotsOptions {
  /** Tasks that run at a time. */
  readonly max: number;
  /** Places in all lines together. */
  readonly maxWaiting: number;
  /** Places in the line of one user. */
  readonly maxWaitingEach: number;
}

/** A task that waits or runs. */
export interface Slotted<T> {
  /** What the task comes to. */
  readonly done: Promise<T>;
  /** Has it wait in the line of another user too, while it waits and there is room: it runs once, at the first turn. */
  join(uid: number): void;
}

/**
 * Lets so many tasks run at a time; further ones wait, up to a bound. A file system that hangs then holds these slots
 * and not every thread of the process. Each user has a line, and the lines take turns: who has many tasks delays their
 * own.
 */
export class Slots {
  readonly #options: SlotsOptions;
  #running = 0;
  #waiting = 0;
  /** By uid, none of them empty; whose turn is next stands first. */
  readonly #lines = new Map<number, Set<Waiting>>();

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** Like `start`, for a task that is nobody else's. */
  async run<T>(uid: number, task: () => Promise<T>): Promise<T> {
    return await this.start([uid], task).done;
  }

  /**
   * @param uids whose task it is: it waits in each one's line that has room
   * @throws limited when none has
   */
  start<T>(uids: Iterable<number>, task: () => Promise<T>): Slotted<T> {
    if (this.#running < this.#options.max) {
      this.#running += 1;
      return { done: this.#finish(task), join: () => undefined };
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting: Waiting = { uids: [], begin: resolve };
    for (const uid of uids) this.#queue(waiting, uid);
    if (waiting.uids.length === 0) throw fail("limited", "too many executables wait to be read");
    return {
      // Whoever frees a slot hands it over.
      done: promise.then(() => this.#finish(task)),
      join: (uid) => {
        if (waiting.uids.length > 0) this.#queue(waiting, uid);
      },
    };
  }

  async #finish<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } finally {
      const next = this.#next();
      if (next === undefined) this.#running -= 1;
      else next.begin();
    }
  }

  #queue(waiting: Waiting, uid: number): void {
    const { maxWaiting, maxWaitingEach } = this.#options;
    const line = this.#lines.get(uid) ?? new Set();
    if (line.has(waiting) || line.size >= maxWaitingEach || this.#waiting >= maxWaiting) return;
    line.add(waiting);
    this.#lines.set(uid, line);
    waiting.uids.push(uid);
    this.#waiting += 1;
  }

  #next(): Waiting | undefined {
    for (const [uid, line] of this.#lines) {
      // To the end of the turns.
      this.#lines.delete(uid);
      this.#lines.set(uid, line);
      for (const first of line) {
        this.#leave(first);
        return first;
      }
    }
    return undefined;
  }

  /** Out of all its lines. */
  #leave(waiting: Waiting): void {
    for (const uid of waiting.uids.splice(0)) {
      const line = this.#lines.get(uid);
      line?.delete(waiting);
      if (line?.size === 0) this.#lines.delete(uid);
      this.#waiting -= 1;
    }
  }
}

interface Waiting {
  /** In whose lines it stands; empty once it runs. */
  readonly uids: number[];
  readonly begin: () => void;
}
