import { AUTHORITY_KINDS } from "../contract.ts";
import type {
  RevokedAuthority,
  RevokedAuthorityReader,
  RevokedAuthorityWriter,
} from "../revoked-authorities.ts";
import { oneOf } from "./authorities.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { readInteger, readText } from "./row.ts";

export class SqliteRevokedAuthorityReader implements RevokedAuthorityReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async list(set: string): Promise<readonly RevokedAuthority[]> {
    return this.#sql
      .all(
        "SELECT set_name, kind, id, not_after FROM revoked_authorities WHERE set_name = ? ORDER BY kind, id",
        set,
      )
      .map((row) => ({
        set: readText(row, "set_name"),
        kind: oneOf(AUTHORITY_KINDS, readText(row, "kind")),
        id: readText(row, "id"),
        notAfter: readInteger(row, "not_after"),
      }));
  }
}

export class SqliteRevokedAuthorityWriter
  extends SqliteRevokedAuthorityReader
  implements RevokedAuthorityWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async put({ set, kind, id, notAfter }: RevokedAuthority): Promise<void> {
    this.#scope.run(
      "INSERT OR REPLACE INTO revoked_authorities (set_name, kind, id, not_after) VALUES (?, ?, ?, ?)",
      set,
      kind,
      id,
      notAfter,
    );
    this.#scope.changed("authority", set);
  }

  async prune(before: number): Promise<number> {
    const done = this.#scope.run("DELETE FROM revoked_authorities WHERE not_after < ?", before);
    return Number(done.changes);
  }
}
