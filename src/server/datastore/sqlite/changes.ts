import { fail } from "../../../base/errors.ts";
import { CHANGE_SUBJECTS, type Change, type ChangeReader } from "../contract.ts";
import type { SqlReader } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

export class SqliteChangeReader implements ChangeReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async current(): Promise<number> {
    return this.#current();
  }

  async oldest(): Promise<number> {
    const row = this.#sql.get("SELECT revision FROM changes ORDER BY revision LIMIT 1");
    return row === undefined ? this.#current() + 1 : readInteger(row, "revision");
  }

  async since(after: number, limit: number): Promise<readonly Change[]> {
    return this.#sql
      .all(
        "SELECT revision, subject, key, at_ms FROM changes WHERE revision > ? ORDER BY revision LIMIT ?",
        after,
        limit,
      )
      .map(changeFromRow);
  }

  #current(): number {
    // The counter of AUTOINCREMENT, which outlives the rows.
    const row = this.#sql.get("SELECT seq FROM sqlite_sequence WHERE name = 'changes'");
    return row === undefined ? 0 : readInteger(row, "seq");
  }
}

function changeFromRow(row: Row): Change {
  const text = readText(row, "subject");
  const subject = CHANGE_SUBJECTS.find((value) => value === text);
  if (subject === undefined) {
    throw fail("internal", "the change feed holds an unknown subject");
  }
  return {
    revision: readInteger(row, "revision"),
    subject,
    key: readText(row, "key"),
    atMs: readInteger(row, "at_ms"),
  };
}
