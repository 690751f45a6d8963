import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type { JoinTokenRecord, TokenReader, TokenWriter } from "../contract.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

export class SqliteTokenReader implements TokenReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(hash: string): Promise<JoinTokenRecord | undefined> {
    const row = this.#sql.get(
      "SELECT hash, expires_at, created_at FROM join_tokens WHERE hash = ?",
      hash,
    );
    return row === undefined ? undefined : tokenOf(row);
  }

  async listExpired(now: EpochSeconds, limit: number): Promise<readonly JoinTokenRecord[]> {
    return this.#sql
      .all(
        "SELECT hash, expires_at, created_at FROM join_tokens WHERE expires_at < ? ORDER BY expires_at, hash LIMIT ?",
        now,
        limit,
      )
      .map(tokenOf);
  }
}

export class SqliteTokenWriter extends SqliteTokenReader implements TokenWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(token: JoinTokenRecord): Promise<void> {
    try {
      this.#scope.run(
        "INSERT INTO join_tokens (hash, expires_at, created_at) VALUES (?, ?, ?)",
        token.hash,
        token.expiresAt,
        token.createdAt,
      );
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail("exists", "this join token is already there", { cause: thrown });
    }
  }

  async delete(hash: string): Promise<boolean> {
    const done = this.#scope.run("DELETE FROM join_tokens WHERE hash = ?", hash);
    return done.changes !== 0;
  }
}

function tokenOf(row: Row): JoinTokenRecord {
  return {
    hash: readText(row, "hash"),
    expiresAt: readInteger(row, "expires_at"),
    createdAt: readInteger(row, "created_at"),
  };
}
