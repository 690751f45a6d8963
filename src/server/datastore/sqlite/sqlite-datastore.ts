import { AsyncLocalStorage } from "node:async_hooks";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Clock } from "../../../base/clock.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../../base/errors.ts";
import { makeFolder } from "../../../base/make-folder.ts";
import type { Logger } from "../../../observe/logger.ts";
import type {
  AuthorityReader,
  BoundTokenReader,
  OneTimeTokenReader,
  BundleReader,
  Datastore,
  NodeReader,
  RelationshipReader,
  RevocationReader,
  TokenReader,
  Writers,
} from "../contract.ts";
import type { ProvisionApiTokenReader, ProvisionGrantReader } from "../provision.ts";
import { SqliteProvisionApiTokenReader } from "./provision-api-tokens.ts";
import { SqliteProvisionGrantReader } from "./provision-grants.ts";
import type { AcmeReader } from "../acme.ts";
import { SqliteAcmeReader } from "./acme.ts";
import { SqliteRevocationReader } from "./revocations.ts";
import { SqliteRenewableCertificateReader } from "./renewable-certificates.ts";
import type { RenewableCertificateReader } from "../renewable-certificates.ts";
import { SqliteRevokedAuthorityReader } from "./revoked-authorities.ts";
import type { RevokedAuthorityReader } from "../revoked-authorities.ts";
import type { AcmeExternalAccountReader } from "../acme-external-accounts.ts";
import { SqliteAcmeExternalAccountReader } from "./acme-external-accounts.ts";
import { SqliteAuthorityReader } from "./authorities.ts";
import { SqliteBoundTokenReader } from "./bound-tokens.ts";
import { SqliteOneTimeTokenReader } from "./one-time-tokens.ts";
import { SqliteBundleReader } from "./bundles.ts";
import { SqliteChangeReader } from "./changes.ts";
import { CommitGroup } from "./commit-group.ts";
import { Connection } from "./connection.ts";
import { RecentEntries } from "./recent-entries.ts";
import { lockFolder } from "./folder-lock.ts";
import { checkSchema, migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/list.ts";
import { SqliteNodeReader } from "./nodes.ts";
import { SqliteRelationshipReader } from "./relationships.ts";
import { readText } from "./row.ts";
import { damaged, fromSqliteError, sqliteCode } from "./sqlite-error.ts";
import { SqliteTokenReader } from "./tokens.ts";
import { Transaction } from "./transaction.ts";
import { type Flush, NO_FLUSH, WalFlush } from "./wal-flush.ts";

export interface SqliteDatastoreOptions {
  /** The database file, made when missing (0600, its folder 0700), or `:memory:` for one that ends with the process. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Another way to the disk, for tests of what waits for it. */
  readonly openFlush?: (path: string) => Promise<Flush>;
}

/**
 * Opens the embedded datastore: one writing connection, whose transactions run one after the other, and one reading
 * connection, which sees committed rows only (WAL).
 * @throws conflict when another server holds the folder
 * @throws precondition when the database is newer than this program or another program's
 * @throws internal when it is damaged; all of these name the way out
 * @throws unavailable when the folder or file cannot be used
 */
export async function openSqliteDatastore(options: SqliteDatastoreOptions): Promise<Datastore> {
  if (options.path === ":memory:") return openPrivate(options);
  const { path } = options;
  makeFolderOf(path);
  const lock = lockFolder(path);
  try {
    // Only under the lock: closing a descriptor drops the POSIX locks that this process has on the file.
    makeFile(path);
    return await open(options, path, true, lock);
  } catch (thrown) {
    lock[Symbol.dispose]();
    throw fromSqliteError(thrown, path);
  }
}

/** A nameless file: SQLite's own `:memory:` cannot show a second connection the committed rows only. */
async function openPrivate(options: SqliteDatastoreOptions): Promise<Datastore> {
  const folder = mkdtempSync(join(tmpdir(), "assay-"));
  try {
    return await open(options, join(folder, "datastore.db"), false, {
      [Symbol.dispose]: () => undefined,
    });
  } finally {
    // The connections keep their open files.
    rmSync(folder, { recursive: true });
  }
}

async function open(
  options: SqliteDatastoreOptions,
  path: string,
  durable: boolean,
  lock: Disposable,
): Promise<Datastore> {
  const writer = new Connection(path, { readOnly: false, durable });
  try {
    const check = readText(writer.get("PRAGMA quick_check(1)"), "quick_check");
    if (check !== "ok") throw damaged(path, new Error(check));
    const version = checkSchema(writer.database, MIGRATIONS, path);
    // Only now: a database that is refused stays as it was.
    writer.database.exec("PRAGMA journal_mode = WAL");
    migrate(writer.database, MIGRATIONS, version);
    if (version === 0) options.logger.info("database made", { schema: MIGRATIONS.length });
    else if (version !== MIGRATIONS.length) {
      options.logger.info("database schema migrated", { from: version, to: MIGRATIONS.length });
    }
    const reader = new Connection(path, { readOnly: true, durable });
    // Opens the reader's files now: those of a nameless database cannot be found later.
    reader.get("SELECT count(*) AS changes FROM changes");
    const { openFlush = (database: string) => WalFlush.open(database) } = options;
    const flush = durable ? await openFlush(path) : NO_FLUSH;
    return new SqliteDatastore(options, { writer, reader, lock, flush });
  } catch (thrown) {
    writer[Symbol.dispose]();
    throw thrown;
  }
}

function makeFolderOf(path: string): void {
  try {
    makeFolder(dirname(path), 0o700);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

function unusable(path: string, cause: unknown): AssayError {
  return fail("unavailable", `the database '${path}' cannot be made; check the folder's owner`, {
    cause,
  });
}

interface OpenFiles {
  readonly writer: Connection;
  readonly reader: Connection;
  readonly lock: Disposable;
  readonly flush: Flush;
}

class SqliteDatastore implements Datastore {
  readonly entries: RecentEntries;
  readonly nodes: NodeReader;
  readonly tokens: TokenReader;
  readonly boundTokens: BoundTokenReader;
  readonly oneTimeTokens: OneTimeTokenReader;
  readonly renewableCertificates: RenewableCertificateReader;
  readonly bundles: BundleReader;
  readonly relationships: RelationshipReader;
  readonly authorities: AuthorityReader;
  readonly revocations: RevocationReader;
  readonly provisionGrants: ProvisionGrantReader;
  readonly provisionApiTokens: ProvisionApiTokenReader;
  readonly acme: AcmeReader;
  readonly revokedAuthorities: RevokedAuthorityReader;
  readonly acmeExternalAccounts: AcmeExternalAccountReader;
  readonly changes: SqliteChangeReader;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #writer: Connection;
  readonly #reader: Connection;
  readonly #lock: Disposable;
  readonly #flushes: Flush;
  readonly #listeners = new Set<(revision: number) => void>();
  readonly #current = new AsyncLocalStorage<Transaction>();
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Commits that are not on the disk yet. */
  #flushing = 0;
  #group: CommitGroup | undefined;
  /** A member of the group has begun and not ended: a commit would hold half of it. */
  #isWriting = false;
  #closed = false;
  /** A flush failed: what the disk holds is not known any more, and nothing more is written on top of it. */
  #broken: AssayError | undefined;
  #complainedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SqliteDatastoreOptions, { writer, reader, lock, flush }: OpenFiles) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#writer = writer;
    this.#reader = reader;
    this.#lock = lock;
    this.#flushes = flush;
    this.entries = new RecentEntries(reader);
    this.nodes = new SqliteNodeReader(reader);
    this.tokens = new SqliteTokenReader(reader);
    this.boundTokens = new SqliteBoundTokenReader(reader);
    this.oneTimeTokens = new SqliteOneTimeTokenReader(reader);
    this.renewableCertificates = new SqliteRenewableCertificateReader(reader);
    this.bundles = new SqliteBundleReader(reader);
    this.relationships = new SqliteRelationshipReader(reader);
    this.authorities = new SqliteAuthorityReader(reader);
    this.revocations = new SqliteRevocationReader(reader);
    this.provisionGrants = new SqliteProvisionGrantReader(reader);
    this.provisionApiTokens = new SqliteProvisionApiTokenReader(reader);
    this.acme = new SqliteAcmeReader(reader);
    this.revokedAuthorities = new SqliteRevokedAuthorityReader(reader);
    this.acmeExternalAccounts = new SqliteAcmeExternalAccountReader(reader);
    this.changes = new SqliteChangeReader(reader);
  }

  async transaction<T>(work: (writers: Writers) => Promise<T>): Promise<T> {
    if (this.#current.getStore()?.open) throw new TypeError("transactions do not nest");
    try {
      const { result, group } = await this.#write(work);
      // What refuses it may be another member's row: nobody is told of that before the disk has it.
      await group.done;
      return await result;
    } catch (thrown) {
      this.#complain(thrown);
      throw thrown;
    }
  }

  /** The caller learns of it, but it is whoever reads the log that can do something about a full disk. */
  #complain(thrown: unknown): void {
    if (!isKind(thrown, "unavailable") || sqliteCode(thrown.cause) === undefined) return;
    const now = this.#clock.nowMs();
    if (Math.abs(now - this.#complainedAtMs) < COMPLAIN_EVERY_MS) return;
    this.#complainedAtMs = now;
    this.#logger.error("the database takes no writes", { error: thrown });
  }

  /** Runs `work` in its turn, and has it settled; what it wrote stands when the group's commit does. */
  async #write<T>(
    work: (writers: Writers) => Promise<T>,
  ): Promise<{ readonly result: Promise<T>; readonly group: CommitGroup }> {
    using _turn = await this.#turn();
    if (this.#group === undefined || this.#group.over) {
      this.#group = new CommitGroup(this.#writer, this.#clock.nowMs());
    }
    const group = this.#group;
    this.#isWriting = true;
    const result = this.#join(group, work);
    try {
      await result;
    } catch {
      // The caller is told when the group is done.
    } finally {
      this.#isWriting = false;
      // Whoever waits already goes into the same commit.
      if (group.isFull(this.#clock.nowMs(), this.#flushing === 0)) this.#commit();
      else if (this.#waiting === 0) this.#commitAfterPoll(group);
    }
    return { result, group };
  }

  /**
   * Calls that have come by now, and only have to be read, go into the same commit as well. Where one of them writes still,
   * its end has this called again.
   */
  #commitAfterPoll(group: CommitGroup): void {
    setImmediate(() => {
      if (this.#group === group && this.#waiting === 0 && !this.#isWriting) this.#commit();
    });
  }

  async #join<T>(group: CommitGroup, work: (writers: Writers) => Promise<T>): Promise<T> {
    const transaction = new Transaction(this.#writer);
    try {
      const result = await this.#current.run(transaction, () => work(transaction.writers));
      group.join(transaction.release(this.#clock.nowMs()));
      return result;
    } catch (thrown) {
      if (!transaction.rollback()) group.lose(thrown);
      throw thrown;
    }
  }

  /** Commits what is not committed yet; who waits for it goes on when it is on the disk. */
  #commit(): void {
    const group = this.#group;
    this.#group = undefined;
    if (group === undefined || group.over) return;
    if (this.#broken !== undefined) return group.abandon(this.#broken);
    const written = group.commit();
    if (written === undefined) return;
    // Before anyone reads: from here on the reading connection shows what was committed.
    this.entries.took(written.entries);
    this.changes.took(written.changes);
    const revision = written.changes.at(-1)?.revision;
    this.#flushing += 1;
    void this.#flushes.flush().then(
      () => {
        this.#flushing -= 1;
        // An earlier one failed, without which this one's part of the log is worth nothing.
        if (this.#broken !== undefined) return group.lose(this.#broken);
        if (revision !== undefined) this.#announce(revision);
        group.acknowledge();
      },
      (thrown: unknown) => {
        this.#flushing -= 1;
        this.#broken ??= errorFrom(thrown);
        group.lose(thrown);
      },
    );
  }

  onCommit(listener: (revision: number) => void): () => void {
    // Each call is a subscription of its own, even with the same function.
    const own = (revision: number): void => listener(revision);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async pruneChanges(keep: number): Promise<void> {
    using _turn = await this.#turn();
    this.#commit();
    this.#writer.run(
      "DELETE FROM changes WHERE revision <= (SELECT max(revision) FROM changes) - ?",
      keep,
    );
    this.changes.forget();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const turn = await this.#turn().catch(() => undefined);
    this.#commit();
    this.#closed = true;
    // What was committed is announced and acknowledged first.
    await this.#flushes[Symbol.asyncDispose]();
    turn?.[Symbol.dispose]();
    this.#listeners.clear();
    this.#reader[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
    this.#lock[Symbol.dispose]();
  }

  /** Waits until the writing connection is free; disposing the answer lets the next one in. */
  async #turn(): Promise<Disposable> {
    if (this.#waiting >= MAX_WAITING_TRANSACTIONS) {
      throw fail("unavailable", "too many transactions are waiting for the database; try again");
    }
    this.#waiting += 1;
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    await before;
    this.#waiting -= 1;
    const refusal = this.#closed ? fail("unavailable", "the datastore is closed") : this.#broken;
    if (refusal !== undefined) {
      // Who was before it left the commit to it.
      if (!this.#closed) this.#commit();
      resolve();
      throw refusal;
    }
    return { [Symbol.dispose]: resolve };
  }

  #announce(revision: number): void {
    // A copy: who subscribes meanwhile hears of the next one.
    const listeners = [...this.#listeners];
    for (const listener of listeners) {
      try {
        listener(revision);
      } catch (thrown) {
        this.#logger.error("a listener of the change feed failed", { error: errorFrom(thrown) });
      }
    }
  }
}

const MAX_WAITING_TRANSACTIONS = 10_000;
const COMPLAIN_EVERY_MS = 60_000;
