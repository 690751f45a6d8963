import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type {
  AcmeExternalAccountReader,
  AcmeExternalAccountRecord,
  AcmeExternalAccountWriter,
} from "../acme-external-accounts.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import type { Page, PageRequest } from "../page.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readBoolean, readInteger, readStrings, readText } from "./row.ts";

export class SqliteAcmeExternalAccountReader implements AcmeExternalAccountReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(id: string): Promise<AcmeExternalAccountRecord | undefined> {
    const row = this.#sql.get(`SELECT ${COLUMNS} FROM acme_external_accounts WHERE id = ?`, id);
    return row === undefined ? undefined : recordFromRow(row);
  }

  async list(page?: PageRequest): Promise<Page<AcmeExternalAccountRecord>> {
    // They are never empty: all of them come after "".
    const [after = ""] =
      page?.token === undefined ? [] : decodePageToken(PAGES, page.token, ["string"]);
    const size = page === undefined ? -1 : checkPageSize(page);
    const rows = this.#sql.all(
      `SELECT ${COLUMNS} FROM acme_external_accounts WHERE id > ? ORDER BY id LIMIT ?`,
      after,
      size < 0 ? -1 : size + 1,
    );
    const items = rows.slice(0, size < 0 ? rows.length : size).map(recordFromRow);
    const last = items.at(-1);
    if (last === undefined || items.length === rows.length) return { items };
    return { items, nextToken: encodePageToken(PAGES, [last.id]) };
  }

  async count(): Promise<number> {
    const row = this.#sql.get("SELECT count(*) AS total FROM acme_external_accounts");
    return readInteger(row, "total");
  }
}

export class SqliteAcmeExternalAccountWriter
  extends SqliteAcmeExternalAccountReader
  implements AcmeExternalAccountWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(record: AcmeExternalAccountRecord): Promise<void> {
    try {
      this.#scope.run(
        `INSERT INTO acme_external_accounts (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        record.id,
        record.macKey,
        record.entryId,
        JSON.stringify(record.names),
        JSON.stringify(record.networks),
        record.reusable ? 1 : 0,
        record.expiresAt,
        record.createdAt,
        record.accounts,
      );
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail("exists", "this external account is already there", { cause: thrown });
    }
  }

  async bind(id: string): Promise<boolean> {
    const sql = "UPDATE acme_external_accounts SET accounts = accounts + 1 WHERE id = ?";
    return this.#scope.run(sql, id).changes !== 0;
  }

  async delete(id: string): Promise<boolean> {
    return this.#scope.run("DELETE FROM acme_external_accounts WHERE id = ?", id).changes !== 0;
  }

  async prune(now: EpochSeconds): Promise<number> {
    const sql =
      "DELETE FROM acme_external_accounts WHERE expires_at > 0 AND expires_at < ? AND accounts = 0";
    return Number(this.#scope.run(sql, now).changes);
  }
}

function recordFromRow(row: Row): AcmeExternalAccountRecord {
  return {
    id: readText(row, "id"),
    macKey: readText(row, "mac_key"),
    entryId: readText(row, "entry_id"),
    names: readStrings(row, "names"),
    networks: readStrings(row, "networks"),
    reusable: readBoolean(row, "reusable"),
    expiresAt: readInteger(row, "expires_at"),
    createdAt: readInteger(row, "created_at"),
    accounts: readInteger(row, "accounts"),
  };
}

const PAGES = "acme external accounts";
const COLUMNS =
  "id, mac_key, entry_id, names, networks, reusable, expires_at, created_at, accounts";
