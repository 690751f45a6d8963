import type { EpochSeconds } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import { canonicalSelectors } from "../../../spiffe/selector.ts";
import type {
  EntryFilter,
  EntryReader,
  EntryRecord,
  EntryWriter,
  Page,
  PageRequest,
} from "../contract.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { ENTRY_COLUMNS, entryFromRow, entryValues } from "./entry-row.ts";
import { type Row, readInteger, readStrings } from "./row.ts";
import { encodeSelectors, hashSelectors, readSelectors } from "./selectors.ts";
import { type Condition, type SetIndex, setCondition, whereClause } from "./set-filter.ts";

export class SqliteEntryReader implements EntryReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(id: string): Promise<EntryRecord | undefined> {
    return this.#one(`SELECT ${COLUMNS} FROM entries WHERE id = ?`, [id]);
  }

  async getMany(ids: readonly string[]): Promise<readonly EntryRecord[]> {
    return this.#sql.all(GET_MANY, JSON.stringify(ids)).map(entryFromRow);
  }

  async list(filter: EntryFilter, page?: PageRequest): Promise<Page<EntryRecord>> {
    const conditions = entryConditions(filter);
    if (page?.token !== undefined) {
      const after = decodePageToken("entries", page.token, ["number", "string"]);
      conditions.push({ sql: "(created_at, id) > (?, ?)", parameters: after });
    }
    const size = page === undefined ? -1 : checkPageSize(page);
    const rows = this.#sql.all(
      `SELECT ${COLUMNS} FROM entries${whereClause(conditions)} ORDER BY created_at, id LIMIT ?`,
      ...conditions.flatMap(({ parameters }) => parameters),
      size < 0 ? -1 : size + 1,
    );
    const items = rows.slice(0, size < 0 ? rows.length : size).map(entryFromRow);
    const last = items.at(-1);
    if (last === undefined || items.length === rows.length) return { items };
    return { items, nextToken: encodePageToken("entries", [last.createdAt, last.id]) };
  }

  async count(filter: EntryFilter): Promise<number> {
    const conditions = entryConditions(filter);
    const row = this.#sql.get(
      `SELECT count(*) AS total FROM entries${whereClause(conditions)}`,
      ...conditions.flatMap(({ parameters }) => parameters),
    );
    return readInteger(row, "total");
  }

  async findSimilar(entry: EntryRecord): Promise<EntryRecord | undefined> {
    return this.#one(
      `SELECT ${COLUMNS} FROM entries WHERE parent_id = ? AND spiffe_id = ? AND selectors_hash = ?`,
      [entry.parentId, entry.spiffeId, hashSelectors(encodeSelectors(entry.selectors))],
    );
  }

  async listExpired(now: EpochSeconds, limit: number): Promise<readonly EntryRecord[]> {
    return this.#sql
      .all(
        `SELECT ${COLUMNS} FROM entries WHERE expires_at > 0 AND expires_at < ? ORDER BY expires_at LIMIT ?`,
        now,
        limit,
      )
      .map(entryFromRow);
  }

  #one(text: string, parameters: (string | Uint8Array)[]): EntryRecord | undefined {
    const row = this.#sql.get(text, ...parameters);
    return row === undefined ? undefined : entryFromRow(row);
  }
}

export class SqliteEntryWriter extends SqliteEntryReader implements EntryWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async create(entry: EntryRecord): Promise<void> {
    const n = this.#write(entry, () => this.#scope.run(INSERT, ...entryValues(entry)));
    this.#index(Number(n.lastInsertRowid), entry);
    this.#changed(entry.id, entry);
  }

  async update(entry: EntryRecord): Promise<void> {
    const old = this.#scope.get(
      "SELECT n, selectors, federates_with FROM entries WHERE id = ?",
      entry.id,
    );
    if (old === undefined) throw fail("not_found", `there is no entry with the id '${entry.id}'`);
    this.#write(entry, () => this.#scope.run(UPDATE, ...entryValues(entry), entry.id));
    this.#unindex(old);
    this.#index(readInteger(old, "n"), entry);
    this.#changed(entry.id, entry);
  }

  async delete(id: string): Promise<boolean> {
    const old = this.#scope.get(
      "DELETE FROM entries WHERE id = ? RETURNING n, selectors, federates_with",
      id,
    );
    if (old === undefined) return false;
    this.#unindex(old);
    this.#changed(id, undefined);
    return true;
  }

  #changed(id: string, entry: EntryRecord | undefined): void {
    this.#scope.changed("entry", id);
    this.#scope.wroteEntry(id, entry);
  }

  /** A refused statement leaves the transaction as it was before it: a batch can go on. */
  #write<T>(entry: EntryRecord, run: () => T): T {
    try {
      return run();
    } catch (thrown) {
      if (!isKind(thrown, "exists")) throw thrown;
      throw fail(
        "exists",
        `an entry with the id '${entry.id}', or with the same parent, SPIFFE ID and selectors, is already there`,
        { cause: thrown },
      );
    }
  }

  #index(n: number, entry: EntryRecord): void {
    const selectorSql = "INSERT OR IGNORE INTO entry_selectors (type, value, n) VALUES (?, ?, ?)";
    for (const { type, value } of entry.selectors) this.#scope.run(selectorSql, type, value, n);
    if (entry.federatesWith.length === 0) return;
    const federatesSql = "INSERT OR IGNORE INTO entry_federates (trust_domain, n) VALUES (?, ?)";
    for (const trustDomain of entry.federatesWith) this.#scope.run(federatesSql, trustDomain, n);
  }

  #unindex(old: Row): void {
    const n = readInteger(old, "n");
    const selectorSql = "DELETE FROM entry_selectors WHERE type = ? AND value = ? AND n = ?";
    for (const { type, value } of readSelectors(old, "selectors"))
      this.#scope.run(selectorSql, type, value, n);
    const federatesSql = "DELETE FROM entry_federates WHERE trust_domain = ? AND n = ?";
    for (const trustDomain of readStrings(old, "federates_with"))
      this.#scope.run(federatesSql, trustDomain, n);
  }
}

function entryConditions(filter: EntryFilter): Condition[] {
  const conditions: Condition[] = [];
  const equal = (column: string, value: string | number): void => {
    conditions.push({ sql: `${column} = ?`, parameters: [value] });
  };
  if (filter.spiffeId !== undefined) equal("spiffe_id", filter.spiffeId);
  if (filter.parentId !== undefined) equal("parent_id", filter.parentId);
  if (filter.hint !== undefined) equal("hint", filter.hint);
  if (filter.downstream !== undefined) equal("downstream", Number(filter.downstream));
  if (filter.selectors !== undefined) {
    const wanted = canonicalSelectors(filter.selectors.selectors).map((s) => [s.type, s.value]);
    conditions.push(setCondition(SELECTORS, filter.selectors.match, wanted));
  }
  if (filter.federatesWith !== undefined) {
    const wanted = [...new Set(filter.federatesWith.trustDomains)];
    conditions.push(setCondition(FEDERATES, filter.federatesWith.match, wanted));
  }
  return conditions;
}

const COLUMNS = ENTRY_COLUMNS.join(", ");
const GET_MANY = `SELECT ${ENTRY_COLUMNS.map((column) => `e.${column}`).join(", ")}
  FROM json_each(?) AS wanted CROSS JOIN entries AS e ON e.id = wanted.value`;
const MARKS = ENTRY_COLUMNS.map(() => "?").join(", ");
const INSERT = `INSERT INTO entries (${COLUMNS}) VALUES (${MARKS})`;
const UPDATE = `UPDATE entries SET (${COLUMNS}) = (${MARKS}) WHERE id = ?`;

const SELECTORS: SetIndex = {
  table: "entry_selectors",
  on: "s.type = g.value ->> 0 AND s.value = g.value ->> 1",
  owner: "entries",
  countColumn: "selector_count",
};

const FEDERATES: SetIndex = {
  table: "entry_federates",
  on: "s.trust_domain = g.value",
  owner: "entries",
  countColumn: "federates_count",
};
