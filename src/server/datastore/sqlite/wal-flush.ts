/**
 * Flushes what was committed to the disk without keeping the thread: SQLite writes the log (WAL) and leaves it to the
 * system, and what waits for a flush waits together. SQLite itself flushes at checkpoints (`synchronous = NORMAL`), so
 * the file is whole whenever the power goes; what was flushed here is in it.
 */
import { close, constants, fdatasync, open } from "node:fs";
import { promisify } from "node:util";
import { fail } from "../../../base/errors.ts";

/** Everything written to the log before the call is on the disk when it resolves. */
export interface Flush extends AsyncDisposable {
  /** @throws unavailable; what the disk holds is then not known any more */
  flush(): Promise<void>;
}

/** Where nothing has to survive a crash. */
export const NO_FLUSH: Flush = {
  flush: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

export class WalFlush implements Flush {
  readonly #path: string;
  readonly #descriptor: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  private constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /**
   * @param path of the database, which has been written to in WAL mode. The log is the same file until the last
   * connection closes, and no lock is ever on it that another descriptor's closing could drop.
   */
  static async open(path: string): Promise<WalFlush> {
    return new WalFlush(path, await promisify(open)(`${path}-wal`, constants.O_RDWR));
  }

  flush(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    // The one under way may have begun before the caller's commit.
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#running, this.#next]);
    await promisify(close)(this.#descriptor);
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const running = this.#flush().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #flush(): Promise<void> {
    try {
      await flushToDisk(this.#descriptor);
    } catch (cause) {
      throw fail(
        "unavailable",
        `the database '${this.#path}' could not be written to the disk; check the disk and restart the server`,
        { cause },
      );
    }
  }
}

const flushToDisk = promisify(fdatasync);
