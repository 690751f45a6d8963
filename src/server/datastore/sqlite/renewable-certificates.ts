import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type {
  RenewableCertificate,
  RenewableCertificateReader,
  RenewableCertificateWriter,
} from "../renewable-certificates.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

export class SqliteRenewableCertificateReader implements RenewableCertificateReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(hash: string): Promise<RenewableCertificate | undefined> {
    const row = this.#sql.get(`SELECT ${COLUMNS} FROM renewable_certificates WHERE hash = ?`, hash);
    return row === undefined ? undefined : certificateOf(row);
  }

  async ofToken(tokenHash: string): Promise<readonly RenewableCertificate[]> {
    const sql = `SELECT ${COLUMNS} FROM renewable_certificates WHERE token_hash = ? ORDER BY id`;
    return this.#sql.all(sql, tokenHash).map(certificateOf);
  }

  async count(): Promise<number> {
    const row = this.#sql.get("SELECT count(*) AS certificates FROM renewable_certificates");
    return readInteger(row, "certificates");
  }
}

export class SqliteRenewableCertificateWriter
  extends SqliteRenewableCertificateReader
  implements RenewableCertificateWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(certificate: RenewableCertificate): Promise<void> {
    const { hash, tokenHash, entryId, authorityId, serial, expiresAt } = certificate;
    try {
      this.#scope.run(
        `INSERT INTO renewable_certificates (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
        hash,
        tokenHash,
        entryId,
        authorityId,
        serial,
        expiresAt,
      );
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail("exists", "this certificate is already there", { cause: thrown });
    }
  }

  async delete(hash: string): Promise<boolean> {
    return this.#scope.run("DELETE FROM renewable_certificates WHERE hash = ?", hash).changes !== 0;
  }

  async prune(now: EpochSeconds): Promise<number> {
    const sql = "DELETE FROM renewable_certificates WHERE expires_at < ?";
    return Number(this.#scope.run(sql, now).changes);
  }
}

const COLUMNS = "hash, token_hash, entry_id, authority_id, serial, expires_at";

function certificateOf(row: Row): RenewableCertificate {
  return {
    hash: readText(row, "hash"),
    tokenHash: readText(row, "token_hash"),
    entryId: readText(row, "entry_id"),
    authorityId: readText(row, "authority_id"),
    serial: readText(row, "serial"),
    expiresAt: readInteger(row, "expires_at"),
  };
}
