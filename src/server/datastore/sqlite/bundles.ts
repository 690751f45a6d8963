import type { BundleReader, BundleRecord, BundleWriter, Page, PageRequest } from "../contract.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readInteger, readText } from "./row.ts";

export class SqliteBundleReader implements BundleReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(trustDomain: string): Promise<BundleRecord | undefined> {
    const row = this.#sql.get(
      "SELECT trust_domain, content, sequence FROM bundles WHERE trust_domain = ? AND content IS NOT NULL",
      trustDomain,
    );
    return row === undefined ? undefined : bundleFromRow(row);
  }

  async list(page?: PageRequest): Promise<Page<BundleRecord>> {
    // Trust domains are never empty: all of them come after "".
    const [after = ""] =
      page?.token === undefined ? [] : decodePageToken("bundles", page.token, ["string"]);
    const size = page === undefined ? -1 : checkPageSize(page);
    const rows = this.#sql.all(
      "SELECT trust_domain, content, sequence FROM bundles WHERE trust_domain > ? AND content IS NOT NULL ORDER BY trust_domain LIMIT ?",
      after,
      size < 0 ? -1 : size + 1,
    );
    const items = rows.slice(0, size < 0 ? rows.length : size).map(bundleFromRow);
    const last = items.at(-1);
    if (last === undefined || items.length === rows.length) return { items };
    return { items, nextToken: encodePageToken("bundles", [last.trustDomain]) };
  }

  async count(): Promise<number> {
    const row = this.#sql.get("SELECT count(*) AS total FROM bundles WHERE content IS NOT NULL");
    return readInteger(row, "total");
  }
}

export class SqliteBundleWriter extends SqliteBundleReader implements BundleWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async put(trustDomain: string, content: string): Promise<BundleRecord> {
    const old = await this.get(trustDomain);
    if (old?.content === content) return old;
    const row = this.#scope.get(
      `INSERT INTO bundles (trust_domain, content, sequence) VALUES (?, ?, 1)
         ON CONFLICT (trust_domain) DO UPDATE SET content = excluded.content, sequence = sequence + 1
         RETURNING sequence`,
      trustDomain,
      content,
    );
    this.#scope.changed("bundle", trustDomain);
    return { trustDomain, content, sequence: readInteger(row, "sequence") };
  }

  async delete(trustDomain: string): Promise<boolean> {
    const done = this.#scope.run(
      "UPDATE bundles SET content = NULL, sequence = sequence + 1 WHERE trust_domain = ? AND content IS NOT NULL",
      trustDomain,
    );
    if (done.changes === 0) return false;
    this.#scope.changed("bundle", trustDomain);
    return true;
  }
}

function bundleFromRow(row: Row): BundleRecord {
  return {
    trustDomain: readText(row, "trust_domain"),
    content: readText(row, "content"),
    sequence: readInteger(row, "sequence"),
  };
}
