import { fail } from "../../../base/errors.ts";
import {
  AUTHORITY_KINDS,
  AUTHORITY_STATUSES,
  type AlternateChain,
  type AuthorityKind,
  type AuthorityReader,
  type AuthorityRecord,
  type AuthorityWriter,
} from "../contract.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readBoolean, readInteger, readStrings, readText } from "./row.ts";

export class SqliteAuthorityReader implements AuthorityReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async list(set: string): Promise<readonly AuthorityRecord[]> {
    return this.#sql
      .all(`SELECT ${COLUMNS} FROM authorities WHERE set_name = ? ORDER BY created_at, n`, set)
      .map(authorityFromRow);
  }
}

export class SqliteAuthorityWriter extends SqliteAuthorityReader implements AuthorityWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async put(authority: AuthorityRecord): Promise<void> {
    this.#scope.run(
      UPSERT,
      authority.set,
      authority.kind,
      authority.id,
      authority.status,
      Number(authority.tainted),
      authority.keyName,
      JSON.stringify(authority.chain),
      JSON.stringify(authority.roots),
      JSON.stringify(authority.alternates ?? []),
      authority.publicKey,
      authority.notBefore,
      authority.notAfter,
      authority.createdAt,
    );
    this.#scope.changed("authority", authority.set);
  }

  async delete(set: string, kind: AuthorityKind, id: string): Promise<boolean> {
    const done = this.#scope.run(
      "DELETE FROM authorities WHERE set_name = ? AND kind = ? AND id = ?",
      set,
      kind,
      id,
    );
    if (done.changes === 0) return false;
    this.#scope.changed("authority", set);
    return true;
  }
}

function authorityFromRow(row: Row): AuthorityRecord {
  const [chain, roots] = [readStrings(row, "chain"), readStrings(row, "roots")];
  const alternates = JSON.parse(readText(row, "alternates")) as readonly AlternateChain[];
  return {
    set: readText(row, "set_name"),
    kind: oneOf(AUTHORITY_KINDS, readText(row, "kind")),
    id: readText(row, "id"),
    status: oneOf(AUTHORITY_STATUSES, readText(row, "status")),
    tainted: readBoolean(row, "tainted"),
    keyName: readText(row, "key_name"),
    chain,
    // Lines of before had themselves as their root.
    roots: roots.length === 0 ? chain.slice(-1) : roots,
    ...(alternates.length === 0 ? {} : { alternates }),
    publicKey: readText(row, "public_key"),
    notBefore: readInteger(row, "not_before"),
    notAfter: readInteger(row, "not_after"),
    createdAt: readInteger(row, "created_at"),
  };
}

/** @throws internal */
export function oneOf<T extends string>(values: readonly T[], text: string): T {
  const found = values.find((value) => value === text);
  if (found === undefined) throw fail("internal", "the database holds an unknown authority state");
  return found;
}

const COLUMN_LIST = [
  "set_name",
  "kind",
  "id",
  "status",
  "tainted",
  "key_name",
  "chain",
  "roots",
  "alternates",
  "public_key",
  "not_before",
  "not_after",
  "created_at",
] as const;

const COLUMNS = COLUMN_LIST.join(", ");

const UPSERT = `INSERT INTO authorities (${COLUMNS}) VALUES (${COLUMN_LIST.map(() => "?").join(", ")})
  ON CONFLICT (set_name, kind, id) DO UPDATE SET ${COLUMN_LIST.map((name) => `${name} = excluded.${name}`).join(", ")}`;
