import type { Change, EntryRecord } from "../contract.ts";
import type { Connection } from "./connection.ts";
import type { Written } from "./transaction.ts";

/**
 * Transactions that waited for each other share one commit: each is a savepoint of its own, and none is acknowledged before
 * the commit that holds it is on the disk.
 */
export class CommitGroup {
  readonly #connection: Connection;
  readonly #done = Promise.withResolvers<void>();
  readonly #startedMs: number;
  #members = 0;
  readonly #changes: Change[] = [];
  readonly #entries = new Map<string, EntryRecord | undefined>();
  #over = false;

  constructor(connection: Connection, nowMs: number) {
    this.#connection = connection;
    this.#startedMs = nowMs;
    connection.run("BEGIN IMMEDIATE");
    // Each member waits for it itself; there may be none that does.
    this.#done.promise.catch(() => undefined);
  }

  /** Settles when the commit is on the disk. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  get over(): boolean {
    return this.#over;
  }

  /**
   * Whether the next transaction should begin a group of its own: nobody is to wait for many others, nor is the disk to
   * wait while there is work for it.
   */
  isFull(nowMs: number, isDiskIdle: boolean): boolean {
    const maxAgeMs = isDiskIdle ? MAX_AGE_WITH_IDLE_DISK_MS : MAX_AGE_MS;
    return this.#members >= MAX_MEMBERS || Math.abs(nowMs - this.#startedMs) >= maxAgeMs;
  }

  join({ changes, entries }: Written): void {
    this.#members += 1;
    this.#changes.push(...changes);
    for (const [id, entry] of entries) this.#entries.set(id, entry);
  }

  /** @returns what all of them wrote, `undefined` when nothing was committed */
  commit(): Written | undefined {
    this.#over = true;
    try {
      this.#connection.run("COMMIT");
    } catch (thrown) {
      // SQLite rolls back by itself after some errors (a full disk, for one).
      if (this.#connection.database.isTransaction) this.#connection.run("ROLLBACK");
      this.#done.reject(thrown);
      return undefined;
    }
    return { changes: this.#changes, entries: this.#entries };
  }

  /** Takes back what its members wrote, for a reason that none of them gave. */
  abandon(error: unknown): void {
    if (this.#connection.database.isTransaction) this.#connection.run("ROLLBACK");
    this.lose(error);
  }

  /** After a commit that is on the disk: lets its members go on. */
  acknowledge(): void {
    this.#done.resolve();
  }

  /** The database has rolled everything back, or the disk did not take it. */
  lose(error: unknown): void {
    this.#over = true;
    this.#done.reject(error);
  }
}

const MAX_MEMBERS = 16;
const MAX_AGE_MS = 10;
/** About what a flush takes: shorter groups make more of them. */
const MAX_AGE_WITH_IDLE_DISK_MS = 2;
