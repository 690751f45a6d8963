import { fail } from "../../../base/errors.ts";
import {
  ENDPOINT_PROFILES,
  type Page,
  type PageRequest,
  type RelationshipReader,
  type RelationshipRecord,
  type RelationshipWriter,
} from "../contract.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

export class SqliteRelationshipReader implements RelationshipReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(trustDomain: string): Promise<RelationshipRecord | undefined> {
    const row = this.#sql.get(
      `SELECT ${COLUMNS} FROM relationships WHERE trust_domain = ?`,
      trustDomain,
    );
    return row === undefined ? undefined : relationshipFromRow(row);
  }

  async list(page?: PageRequest): Promise<Page<RelationshipRecord>> {
    // Trust domains are never empty: all of them come after "".
    const [after = ""] =
      page?.token === undefined ? [] : decodePageToken("relationships", page.token, ["string"]);
    const size = page === undefined ? -1 : checkPageSize(page);
    const rows = this.#sql.all(
      `SELECT ${COLUMNS} FROM relationships WHERE trust_domain > ? ORDER BY trust_domain LIMIT ?`,
      after,
      size < 0 ? -1 : size + 1,
    );
    const items = rows.slice(0, size < 0 ? rows.length : size).map(relationshipFromRow);
    const last = items.at(-1);
    if (last === undefined || items.length === rows.length) return { items };
    return { items, nextToken: encodePageToken("relationships", [last.trustDomain]) };
  }

  async count(): Promise<number> {
    return readInteger(this.#sql.get("SELECT count(*) AS total FROM relationships"), "total");
  }
}

export class SqliteRelationshipWriter
  extends SqliteRelationshipReader
  implements RelationshipWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async put(relationship: RelationshipRecord): Promise<void> {
    const { trustDomain, endpointUrl, endpointProfile, endpointSpiffeId, createdAt } = relationship;
    this.#scope.run(
      `INSERT OR REPLACE INTO relationships (${COLUMNS}) VALUES (?, ?, ?, ?, ?)`,
      trustDomain,
      endpointUrl,
      endpointProfile,
      endpointSpiffeId,
      createdAt,
    );
    this.#scope.changed("relationship", trustDomain);
  }

  async delete(trustDomain: string): Promise<boolean> {
    const done = this.#scope.run("DELETE FROM relationships WHERE trust_domain = ?", trustDomain);
    if (done.changes === 0) return false;
    this.#scope.changed("relationship", trustDomain);
    return true;
  }
}

function relationshipFromRow(row: Row): RelationshipRecord {
  const text = readText(row, "endpoint_profile");
  const endpointProfile = ENDPOINT_PROFILES.find((profile) => profile === text);
  if (endpointProfile === undefined) {
    throw fail("internal", "a federation relationship has an unknown endpoint profile");
  }
  return {
    trustDomain: readText(row, "trust_domain"),
    endpointUrl: readText(row, "endpoint_url"),
    endpointProfile,
    endpointSpiffeId: readText(row, "endpoint_spiffe_id"),
    createdAt: readInteger(row, "created_at"),
  };
}

const COLUMNS = "trust_domain, endpoint_url, endpoint_profile, endpoint_spiffe_id, created_at";
