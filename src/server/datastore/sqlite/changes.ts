import { fail } from "../../../base/errors.ts";
import { CHANGE_SUBJECTS, type Change, type ChangeReader } from "../contract.ts";
import type { SqlReader } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

/**
 * Everyone who follows the feed asks for the same new rows, one after the other: the newest are read once and remembered. A
 * row that was seen never changes.
 */
export class SqliteChangeReader implements ChangeReader {
  readonly #sql: SqlReader;
  /** All rows with revisions above `#after`, up to `#upTo`. */
  #recent: Change[] = [];
  #after = 0;
  #upTo = 0;

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
    if (after < this.#after || after > this.#upTo) {
      const rows = this.#read(after, limit);
      // Who reads what is old takes nothing from those who follow.
      if ((rows.at(-1)?.revision ?? 0) > this.#upTo) {
        this.#after = after;
        this.#remember(rows);
      }
      return rows;
    }
    const start = this.#recent.findLastIndex(({ revision }) => revision <= after) + 1;
    const known = this.#recent.slice(start, start + limit);
    if (known.length === limit) return known;
    const rows = this.#read(this.#upTo, limit - known.length);
    if (rows.length === 0) return known;
    this.#remember([...this.#recent, ...rows]);
    return [...known, ...rows];
  }

  /** Rows of a commit, without a gap. Not needed where those before them are not known: they are read then. */
  took(rows: readonly Change[]): void {
    if (rows[0]?.revision === this.#upTo + 1) this.#remember([...this.#recent, ...rows]);
  }

  /** What was pruned is not to be shown any more. */
  forget(): void {
    this.#recent = [];
    this.#after = this.#upTo;
  }

  #remember(rows: readonly Change[]): void {
    this.#upTo = rows.at(-1)?.revision ?? this.#upTo;
    this.#recent = rows.slice(-MAX_RECENT);
    const left = rows[rows.length - this.#recent.length - 1];
    if (left !== undefined) this.#after = left.revision;
  }

  #read(after: number, limit: number): Change[] {
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

/** More than one commit makes under load. */
const MAX_RECENT = 1000;
