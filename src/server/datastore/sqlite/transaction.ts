import type { SQLInputValue } from "node:sqlite";
import type { Change, ChangeSubject, EntryRecord, Writers } from "../contract.ts";
import { SqliteAcmeWriter } from "./acme.ts";
import { SqliteAcmeExternalAccountWriter } from "./acme-external-accounts.ts";
import { SqliteAuthorityWriter } from "./authorities.ts";
import { SqliteBoundTokenWriter } from "./bound-tokens.ts";
import { SqliteBundleWriter } from "./bundles.ts";
import type { Connection, TransactionScope, WriteResult } from "./connection.ts";
import { SqliteEntryWriter } from "./entries.ts";
import { SqliteNodeWriter } from "./nodes.ts";
import { SqliteOneTimeTokenWriter } from "./one-time-tokens.ts";
import { SqliteProvisionApiTokenWriter } from "./provision-api-tokens.ts";
import { SqliteProvisionGrantWriter } from "./provision-grants.ts";
import type { Row } from "./row.ts";
import { SqliteRevocationWriter } from "./revocations.ts";
import { SqliteRenewableCertificateWriter } from "./renewable-certificates.ts";
import { SqliteRevokedAuthorityWriter } from "./revoked-authorities.ts";
import { SqliteRelationshipWriter } from "./relationships.ts";
import { SqliteTokenWriter } from "./tokens.ts";

/** What a transaction leaves behind, for those who follow: they need not read again what was just written. */
export interface Written {
  /** In order, without a gap. */
  readonly changes: readonly Change[];
  /** The entries among them; `undefined` for one that is no more. */
  readonly entries: ReadonlyMap<string, EntryRecord | undefined>;
}

/** The life of one transaction, a savepoint in a group: begin, write, then release or roll back, exactly once. */
export class Transaction implements TransactionScope {
  readonly writers: Writers;
  readonly #connection: Connection;
  readonly #changes: (readonly [ChangeSubject, string])[] = [];
  readonly #changed = new Map<ChangeSubject, Set<string>>();
  readonly #entries = new Map<string, EntryRecord | undefined>();
  #open = true;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.run("SAVEPOINT member");
    this.writers = {
      entries: new SqliteEntryWriter(this),
      nodes: new SqliteNodeWriter(this),
      tokens: new SqliteTokenWriter(this),
      boundTokens: new SqliteBoundTokenWriter(this),
      oneTimeTokens: new SqliteOneTimeTokenWriter(this),
      renewableCertificates: new SqliteRenewableCertificateWriter(this),
      bundles: new SqliteBundleWriter(this),
      relationships: new SqliteRelationshipWriter(this),
      authorities: new SqliteAuthorityWriter(this),
      revocations: new SqliteRevocationWriter(this),
      provisionGrants: new SqliteProvisionGrantWriter(this),
      acmeExternalAccounts: new SqliteAcmeExternalAccountWriter(this),
      provisionApiTokens: new SqliteProvisionApiTokenWriter(this),
      acme: new SqliteAcmeWriter(this),
      revokedAuthorities: new SqliteRevokedAuthorityWriter(this),
    };
  }

  get open(): boolean {
    return this.#open;
  }

  get(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    this.#requireOpen();
    return this.#connection.get(sql, ...parameters);
  }

  all(sql: string, ...parameters: SQLInputValue[]): Row[] {
    this.#requireOpen();
    return this.#connection.all(sql, ...parameters);
  }

  run(sql: string, ...parameters: SQLInputValue[]): WriteResult {
    this.#requireOpen();
    return this.#connection.run(sql, ...parameters);
  }

  changed(subject: ChangeSubject, key: string): void {
    let keys = this.#changed.get(subject);
    if (keys === undefined) this.#changed.set(subject, (keys = new Set()));
    if (keys.has(key)) return;
    keys.add(key);
    this.#changes.push([subject, key]);
  }

  wroteEntry(id: string, entry: EntryRecord | undefined): void {
    this.#entries.set(id, entry);
  }

  release(atMs: number): Written {
    this.#requireOpen();
    const changes = this.#changes.length === 0 ? [] : this.#writeChanges(atMs);
    this.#connection.run("RELEASE member");
    this.#open = false;
    return { changes, entries: this.#entries };
  }

  #writeChanges(atMs: number): readonly Change[] {
    const rows = JSON.stringify(this.#changes);
    const last = Number(this.#connection.run(INSERT_CHANGES, atMs, rows).lastInsertRowid);
    // One statement's rows: AUTOINCREMENT counts on, and nobody else writes meanwhile.
    const first = last - this.#changes.length + 1;
    return this.#changes.map(([subject, key], index) => ({
      revision: first + index,
      subject,
      key,
      atMs,
    }));
  }

  /** @returns false when SQLite has rolled back the whole group by itself, as it does when the disk is full, for one */
  rollback(): boolean {
    this.#open = false;
    const connection = this.#connection;
    if (!connection.database.isTransaction) return false;
    try {
      connection.run("ROLLBACK TO member");
      connection.run("RELEASE member");
      return true;
    } catch {
      // Half of a member must not be committed with the others; the caller tells them all.
      if (connection.database.isTransaction) connection.run("ROLLBACK");
      return false;
    }
  }

  #requireOpen(): void {
    if (!this.#open) throw new TypeError("a writer was used after its transaction had ended");
  }
}

/** In the order they were noted, which json_each keeps. */
const INSERT_CHANGES = `INSERT INTO changes (subject, key, at_ms)
  SELECT value ->> 0, value ->> 1, ? FROM json_each(?) ORDER BY json_each.key`;
