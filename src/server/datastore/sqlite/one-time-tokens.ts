import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type { OneTimeTokenReader, OneTimeTokenRecord, OneTimeTokenWriter } from "../contract.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { readInteger, readText } from "./row.ts";

export class SqliteOneTimeTokenReader implements OneTimeTokenReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(hash: string): Promise<OneTimeTokenRecord | undefined> {
    const row = this.#sql.get(
      "SELECT hash, entry_id, expires_at FROM one_time_tokens WHERE hash = ?",
      hash,
    );
    if (row === undefined) return undefined;
    return {
      hash: readText(row, "hash"),
      entryId: readText(row, "entry_id"),
      expiresAt: readInteger(row, "expires_at"),
    };
  }

  async count(): Promise<number> {
    return readInteger(this.#sql.get("SELECT count(*) AS tokens FROM one_time_tokens"), "tokens");
  }
}

export class SqliteOneTimeTokenWriter
  extends SqliteOneTimeTokenReader
  implements OneTimeTokenWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create({ hash, entryId, expiresAt }: OneTimeTokenRecord): Promise<void> {
    try {
      this.#scope.run(
        "INSERT INTO one_time_tokens (hash, entry_id, expires_at) VALUES (?, ?, ?)",
        hash,
        entryId,
        expiresAt,
      );
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail("exists", "this one-time token is already there", { cause: thrown });
    }
  }

  async delete(hash: string): Promise<boolean> {
    return this.#scope.run("DELETE FROM one_time_tokens WHERE hash = ?", hash).changes !== 0;
  }

  async prune(now: EpochSeconds): Promise<number> {
    return Number(this.#scope.run("DELETE FROM one_time_tokens WHERE expires_at < ?", now).changes);
  }
}
