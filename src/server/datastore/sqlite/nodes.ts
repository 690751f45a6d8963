import { canonicalSelectors } from "../../../spiffe/selector.ts";
import type {
  NodeFilter,
  NodeReader,
  NodeRecord,
  NodeWriter,
  Page,
  PageRequest,
} from "../contract.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readBoolean, readInteger, readText } from "./row.ts";
import { encodeSelectors, readSelectors } from "./selectors.ts";
import { type Condition, type SetIndex, setCondition, whereClause } from "./set-filter.ts";

export class SqliteNodeReader implements NodeReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(spiffeId: string): Promise<NodeRecord | undefined> {
    const row = this.#sql.get(`SELECT ${COLUMNS} FROM nodes WHERE spiffe_id = ?`, spiffeId);
    return row === undefined ? undefined : nodeFromRow(row);
  }

  async list(filter: NodeFilter, page?: PageRequest): Promise<Page<NodeRecord>> {
    const conditions = nodeConditions(filter);
    if (page?.token !== undefined) {
      const after = decodePageToken("nodes", page.token, ["string"]);
      conditions.push({ sql: "spiffe_id > ?", parameters: after });
    }
    const size = page === undefined ? -1 : checkPageSize(page);
    const rows = this.#sql.all(
      `SELECT ${COLUMNS} FROM nodes${whereClause(conditions)} ORDER BY spiffe_id LIMIT ?`,
      ...conditions.flatMap(({ parameters }) => parameters),
      size < 0 ? -1 : size + 1,
    );
    const items = rows.slice(0, size < 0 ? rows.length : size).map(nodeFromRow);
    const last = items.at(-1);
    if (last === undefined || items.length === rows.length) return { items };
    return { items, nextToken: encodePageToken("nodes", [last.spiffeId]) };
  }

  async count(filter: NodeFilter): Promise<number> {
    const conditions = nodeConditions(filter);
    const row = this.#sql.get(
      `SELECT count(*) AS total FROM nodes${whereClause(conditions)}`,
      ...conditions.flatMap(({ parameters }) => parameters),
    );
    return readInteger(row, "total");
  }
}

export class SqliteNodeWriter extends SqliteNodeReader implements NodeWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async put(node: NodeRecord): Promise<void> {
    const old = this.#scope.get(
      "SELECT n, selectors FROM nodes WHERE spiffe_id = ?",
      node.spiffeId,
    );
    const selectors = encodeSelectors(node.selectors);
    const row = this.#scope.get(
      UPSERT,
      node.spiffeId,
      node.attestationType,
      node.serial,
      node.expiresAt,
      node.newSerial,
      node.newExpiresAt,
      selectors,
      canonicalSelectors(node.selectors).length,
      Number(node.banned),
      Number(node.canReattest),
      node.agentVersion,
      node.keyHash,
      node.hostFacts,
      node.attestedAt,
      node.rotation,
    );
    this.#scope.changed("node", node.spiffeId);
    // Renewals put the same selectors again and again.
    if (old !== undefined && readText(old, "selectors") === selectors) return;
    if (old !== undefined) this.#unindex(old);
    const insert = "INSERT OR IGNORE INTO node_selectors (type, value, n) VALUES (?, ?, ?)";
    const n = readInteger(row, "n");
    for (const { type, value } of node.selectors) this.#scope.run(insert, type, value, n);
  }

  async delete(spiffeId: string): Promise<boolean> {
    const old = this.#scope.get(
      "DELETE FROM nodes WHERE spiffe_id = ? RETURNING n, selectors",
      spiffeId,
    );
    if (old === undefined) return false;
    this.#unindex(old);
    this.#scope.changed("node", spiffeId);
    return true;
  }

  #unindex(old: Row): void {
    const n = readInteger(old, "n");
    const remove = "DELETE FROM node_selectors WHERE type = ? AND value = ? AND n = ?";
    for (const { type, value } of readSelectors(old, "selectors"))
      this.#scope.run(remove, type, value, n);
  }
}

function nodeFromRow(row: Row): NodeRecord {
  return {
    spiffeId: readText(row, "spiffe_id"),
    attestationType: readText(row, "attestation_type"),
    serial: readText(row, "serial"),
    expiresAt: readInteger(row, "expires_at"),
    newSerial: readText(row, "new_serial"),
    newExpiresAt: readInteger(row, "new_expires_at"),
    selectors: readSelectors(row, "selectors"),
    banned: readBoolean(row, "banned"),
    canReattest: readBoolean(row, "can_reattest"),
    agentVersion: readText(row, "agent_version"),
    keyHash: readText(row, "key_hash"),
    hostFacts: readText(row, "host_facts"),
    attestedAt: readInteger(row, "attested_at"),
    rotation: readInteger(row, "rotation"),
  };
}

function nodeConditions(filter: NodeFilter): Condition[] {
  const conditions: Condition[] = [];
  const compare = (sql: string, value: string | number): void => {
    conditions.push({ sql, parameters: [value] });
  };
  if (filter.attestationType !== undefined) compare("attestation_type = ?", filter.attestationType);
  if (filter.banned !== undefined) compare("banned = ?", Number(filter.banned));
  if (filter.canReattest !== undefined) compare("can_reattest = ?", Number(filter.canReattest));
  if (filter.expiresBefore !== undefined) compare("expires_at < ?", filter.expiresBefore);
  if (filter.selectors !== undefined) {
    const wanted = canonicalSelectors(filter.selectors.selectors).map((s) => [s.type, s.value]);
    conditions.push(setCondition(SELECTORS, filter.selectors.match, wanted));
  }
  return conditions;
}

const COLUMN_LIST = [
  "spiffe_id",
  "attestation_type",
  "serial",
  "expires_at",
  "new_serial",
  "new_expires_at",
  "selectors",
  "selector_count",
  "banned",
  "can_reattest",
  "agent_version",
  "key_hash",
  "host_facts",
  "attested_at",
  "rotation",
] as const;

const COLUMNS = COLUMN_LIST.join(", ");

const UPSERT = `INSERT INTO nodes (${COLUMNS}) VALUES (${COLUMN_LIST.map(() => "?").join(", ")})
  ON CONFLICT (spiffe_id) DO UPDATE SET ${COLUMN_LIST.map((name) => `${name} = excluded.${name}`).join(", ")}
  RETURNING n`;

const SELECTORS: SetIndex = {
  table: "node_selectors",
  on: "s.type = g.value ->> 0 AND s.value = g.value ->> 1",
  owner: "nodes",
  countColumn: "selector_count",
};
