import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type { BoundTokenReader, BoundTokenRecord, BoundTokenWriter } from "../contract.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { readInteger, readText } from "./row.ts";

export class SqliteBoundTokenReader implements BoundTokenReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(fingerprint: string): Promise<BoundTokenRecord | undefined> {
    const row = this.#sql.get(
      "SELECT fingerprint, key_hash, expires_at FROM bound_tokens WHERE fingerprint = ?",
      fingerprint,
    );
    if (row === undefined) return undefined;
    return {
      fingerprint: readText(row, "fingerprint"),
      keyHash: readText(row, "key_hash"),
      expiresAt: readInteger(row, "expires_at"),
    };
  }

  async count(): Promise<number> {
    return readInteger(this.#sql.get("SELECT count(*) AS tokens FROM bound_tokens"), "tokens");
  }
}

export class SqliteBoundTokenWriter extends SqliteBoundTokenReader implements BoundTokenWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(token: BoundTokenRecord): Promise<void> {
    try {
      this.#scope.run(
        "INSERT INTO bound_tokens (fingerprint, key_hash, expires_at) VALUES (?, ?, ?)",
        token.fingerprint,
        token.keyHash,
        token.expiresAt,
      );
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail("exists", "this token is bound already", { cause: thrown });
    }
  }

  async prune(now: EpochSeconds): Promise<number> {
    const done = this.#scope.run("DELETE FROM bound_tokens WHERE expires_at < ?", now);
    return Number(done.changes);
  }
}
