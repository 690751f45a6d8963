import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { fail } from "../../../base/errors.ts";
import type { ChangeSubject, EntryRecord } from "../contract.ts";
import type { Row } from "./row.ts";
import { fromSqliteError } from "./sqlite-error.ts";

/** What readers need of a connection. Statements are prepared once each. @throws AssayError, `exists` for unique indexes */
export interface SqlReader {
  get(sql: string, ...parameters: SQLInputValue[]): Row | undefined;
  all(sql: string, ...parameters: SQLInputValue[]): Row[];
}

/** What the writers of one transaction work with; refuses to work when the transaction is over. */
export interface TransactionScope extends SqlReader {
  run(sql: string, ...parameters: SQLInputValue[]): WriteResult;
  /** Notes a row for the change feed; it is written once, at the end, however often it was noted. */
  changed(subject: ChangeSubject, key: string): void;
  /** An entry as it is from the commit on; `undefined` when it is no more. */
  wroteEntry(id: string, entry: EntryRecord | undefined): void;
}

export interface WriteResult {
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
}

export interface ConnectionOptions {
  readonly readOnly: boolean;
  /**
   * False where nothing has to survive a crash. Else SQLite flushes at checkpoints alone, and whoever commits flushes the
   * log: at each commit SQLite would keep the thread until the disk is done.
   */
  readonly durable: boolean;
}

/** One SQLite connection with its prepared statements; its errors are the house's. */
export class Connection implements SqlReader, Disposable {
  readonly database: DatabaseSync;
  readonly #path: string;
  // Bounded by the program: texts are made of constants, never of data.
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, options: ConnectionOptions) {
    this.#path = path;
    this.database = new DatabaseSync(path, {
      readOnly: options.readOnly,
      timeout: BUSY_TIMEOUT_MS,
    });
    try {
      this.database.exec(`PRAGMA synchronous = ${options.durable ? "NORMAL" : "OFF"}`);
      this.database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
      this.database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      this.database.exec(`PRAGMA journal_size_limit = ${JOURNAL_LIMIT_BYTES}`);
    } catch (thrown) {
      this.database.close();
      throw thrown;
    }
  }

  get(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(...parameters));
  }

  all(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return this.#guard(() => this.#statement(sql).all(...parameters));
  }

  run(sql: string, ...parameters: SQLInputValue[]): WriteResult {
    return this.#guard(() => this.#statement(sql).run(...parameters));
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.database.isOpen) this.database.close();
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      if (!this.database.isOpen) throw fail("unavailable", "the datastore is closed");
      throw fromSqliteError(thrown, this.#path);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const BUSY_TIMEOUT_MS = 5000;
/** Small on purpose: at each commit SQLite walks through the cache, and the kernel caches the file anyway. */
const CACHE_KIB = 4 * 1024;
/** 32 MiB: rarer checkpoints write a page that many transactions touched only once. */
const CHECKPOINT_PAGES = 8000;
const JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024;
