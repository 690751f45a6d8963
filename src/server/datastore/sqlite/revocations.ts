import type { EpochSeconds } from "../../../base/clock.ts";
import type {
  CrlRecord,
  RevocationReader,
  RevocationRecord,
  RevocationWriter,
} from "../contract.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

export class SqliteRevocationReader implements RevocationReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async list(): Promise<readonly RevocationRecord[]> {
    return this.#sql
      .all(`SELECT ${COLUMNS} FROM revocations ORDER BY revoked_at, authority_id, serial`)
      .map(revocationFromRow);
  }

  async crls(): Promise<readonly CrlRecord[]> {
    return this.#sql.all(`SELECT ${CRL_COLUMNS} FROM crls ORDER BY authority_id`).map(crlFromRow);
  }

  async crl(authorityId: string): Promise<CrlRecord | undefined> {
    const row = this.#sql.get(
      `SELECT ${CRL_COLUMNS} FROM crls WHERE authority_id = ?`,
      authorityId,
    );
    return row === undefined ? undefined : crlFromRow(row);
  }
}

export class SqliteRevocationWriter extends SqliteRevocationReader implements RevocationWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(revocation: RevocationRecord): Promise<boolean> {
    const { authorityId, serial, spiffeId, reason, revokedAt, expiresAt } = revocation;
    const done = this.#scope.run(
      `INSERT INTO revocations (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      authorityId,
      serial,
      spiffeId,
      reason,
      revokedAt,
      expiresAt,
    );
    if (done.changes === 0) return false;
    this.#scope.changed("revocation", authorityId);
    return true;
  }

  async prune(before: EpochSeconds): Promise<number> {
    const done = this.#scope.run("DELETE FROM revocations WHERE expires_at < ?", before);
    if (done.changes !== 0) this.#scope.changed("revocation", "");
    return Number(done.changes);
  }

  async putCrl({ authorityId, number, nextUpdate, der }: CrlRecord): Promise<void> {
    this.#scope.run(
      `INSERT INTO crls (${CRL_COLUMNS}) VALUES (?, ?, ?, ?) ON CONFLICT (authority_id)
         DO UPDATE SET number = excluded.number, next_update = excluded.next_update, der = excluded.der`,
      authorityId,
      number,
      nextUpdate,
      der,
    );
    this.#scope.changed("revocation", authorityId);
  }

  async deleteCrl(authorityId: string): Promise<boolean> {
    const done = this.#scope.run("DELETE FROM crls WHERE authority_id = ?", authorityId);
    if (done.changes === 0) return false;
    this.#scope.changed("revocation", authorityId);
    return true;
  }
}

function revocationFromRow(row: Row): RevocationRecord {
  return {
    authorityId: readText(row, "authority_id"),
    serial: readText(row, "serial"),
    spiffeId: readText(row, "spiffe_id"),
    reason: readText(row, "reason"),
    revokedAt: readInteger(row, "revoked_at"),
    expiresAt: readInteger(row, "expires_at"),
  };
}

function crlFromRow(row: Row): CrlRecord {
  return {
    authorityId: readText(row, "authority_id"),
    number: readInteger(row, "number"),
    nextUpdate: readInteger(row, "next_update"),
    der: readText(row, "der"),
  };
}

const COLUMNS = "authority_id, serial, spiffe_id, reason, revoked_at, expires_at";
const CRL_COLUMNS = "authority_id, number, next_update, der";
