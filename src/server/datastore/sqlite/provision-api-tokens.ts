import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type {
  ProvisionApiToken,
  ProvisionApiTokenReader,
  ProvisionApiTokenWriter,
} from "../provision.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readBoolean, readInteger, readStrings, readText } from "./row.ts";

export class SqliteProvisionApiTokenReader implements ProvisionApiTokenReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(hash: string): Promise<ProvisionApiToken | undefined> {
    const row = this.#sql.get(`SELECT ${COLUMNS} FROM provision_api_tokens WHERE hash = ?`, hash);
    return row === undefined ? undefined : tokenFromRow(row);
  }

  async list(): Promise<readonly ProvisionApiToken[]> {
    return this.#sql
      .all(`SELECT ${COLUMNS} FROM provision_api_tokens ORDER BY name`)
      .map(tokenFromRow);
  }
}

export class SqliteProvisionApiTokenWriter
  extends SqliteProvisionApiTokenReader
  implements ProvisionApiTokenWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(token: ProvisionApiToken): Promise<void> {
    try {
      this.#scope.run(
        `INSERT INTO provision_api_tokens (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
        token.hash,
        token.name,
        JSON.stringify(token.allowNames),
        token.allowEntries ? 1 : 0,
        token.createdAt,
        token.expiresAt,
      );
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail("exists", "an api token of this name is already there", { cause: thrown });
    }
  }

  async delete(name: string): Promise<boolean> {
    return this.#scope.run("DELETE FROM provision_api_tokens WHERE name = ?", name).changes !== 0;
  }

  async prune(now: EpochSeconds): Promise<number> {
    const done = this.#scope.run("DELETE FROM provision_api_tokens WHERE expires_at < ?", now);
    return Number(done.changes);
  }
}

function tokenFromRow(row: Row): ProvisionApiToken {
  return {
    hash: readText(row, "hash"),
    name: readText(row, "name"),
    allowNames: readStrings(row, "allow_names"),
    allowEntries: readBoolean(row, "allow_entries"),
    createdAt: readInteger(row, "created_at"),
    expiresAt: readInteger(row, "expires_at"),
  };
}

const COLUMNS = "hash, name, allow_names, allow_entries, created_at, expires_at";
