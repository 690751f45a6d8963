import type { EpochSeconds } from "../../../base/clock.ts";
import type { Page, PageRequest } from "../contract.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import type {
  ProvisionGrant,
  ProvisionGrantReader,
  ProvisionGrantWriter,
  ProvisionedCertificate,
} from "../provision.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readBoolean, readInteger, readStrings, readText } from "./row.ts";

export class SqliteProvisionGrantReader implements ProvisionGrantReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async get(hash: string): Promise<ProvisionGrant | undefined> {
    const row = this.#sql.get(`SELECT ${COLUMNS} FROM provision_grants WHERE hash = ?`, hash);
    return row === undefined ? undefined : grantFromRow(row);
  }

  async findBySerial(serial: string): Promise<ProvisionGrant | undefined> {
    if (serial === "") return undefined;
    // The second conditions are those of the partial indexes.
    const row =
      this.#sql.get(
        `SELECT ${COLUMNS} FROM provision_grants WHERE serial = ? AND serial <> ''`,
        serial,
      ) ??
      this.#sql.get(
        `SELECT ${COLUMNS} FROM provision_grants WHERE previous_serial = ? AND previous_serial <> ''`,
        serial,
      );
    return row === undefined ? undefined : grantFromRow(row);
  }

  async list(page?: PageRequest): Promise<Page<ProvisionGrant>> {
    // Hashes are never empty: all of them come after "".
    const [after = ""] =
      page?.token === undefined ? [] : decodePageToken(LIST, page.token, ["string"]);
    const size = page === undefined ? -1 : checkPageSize(page);
    const rows = this.#sql.all(
      `SELECT ${COLUMNS} FROM provision_grants WHERE hash > ? ORDER BY hash LIMIT ?`,
      after,
      size < 0 ? -1 : size + 1,
    );
    const items = rows.slice(0, size < 0 ? rows.length : size).map(grantFromRow);
    const last = items.at(-1);
    if (last === undefined || items.length === rows.length) return { items };
    return { items, nextToken: encodePageToken(LIST, [last.hash]) };
  }

  async count(): Promise<number> {
    return readInteger(this.#sql.get("SELECT count(*) AS total FROM provision_grants"), "total");
  }
}

export class SqliteProvisionGrantWriter
  extends SqliteProvisionGrantReader
  implements ProvisionGrantWriter
{
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async put(grant: ProvisionGrant): Promise<void> {
    const { certificate = NO_CERTIFICATE } = grant;
    this.#scope.run(
      // Not as a replacement, which would write every index anew.
      `INSERT INTO provision_grants (${COLUMNS})
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (hash) DO UPDATE SET ${UPDATES}`,
      grant.hash,
      grant.commonName,
      JSON.stringify(grant.dnsNames),
      JSON.stringify(grant.ipAddresses),
      grant.lifeSeconds,
      grant.spiffeId,
      grant.entryId,
      grant.grantedBy,
      grant.createdAt,
      grant.expiresAt,
      grant.failures,
      grant.withdrawn ? 1 : 0,
      certificate.keyHash,
      certificate.serial,
      certificate.previousSerial,
      JSON.stringify(certificate.chain),
      certificate.notAfter,
    );
  }

  async delete(hash: string): Promise<boolean> {
    return this.#scope.run("DELETE FROM provision_grants WHERE hash = ?", hash).changes !== 0;
  }

  async deleteUnused(grantedBy: string): Promise<number> {
    const sql = "DELETE FROM provision_grants WHERE granted_by = ? AND serial = ''";
    return Number(this.#scope.run(sql, grantedBy).changes);
  }

  async prune(now: EpochSeconds): Promise<number> {
    const done = this.#scope.run(
      "DELETE FROM provision_grants WHERE expires_at < ? AND not_after < ?",
      now,
      now,
    );
    return Number(done.changes);
  }
}

function grantFromRow(row: Row): ProvisionGrant {
  const serial = readText(row, "serial");
  return {
    hash: readText(row, "hash"),
    commonName: readText(row, "common_name"),
    dnsNames: readStrings(row, "dns_names"),
    ipAddresses: readStrings(row, "ip_addresses"),
    lifeSeconds: readInteger(row, "life_seconds"),
    spiffeId: readText(row, "spiffe_id"),
    entryId: readText(row, "entry_id"),
    grantedBy: readText(row, "granted_by"),
    createdAt: readInteger(row, "created_at"),
    expiresAt: readInteger(row, "expires_at"),
    failures: readInteger(row, "failures"),
    withdrawn: readBoolean(row, "withdrawn"),
    ...(serial === "" ? {} : { certificate: certificateFromRow(row, serial) }),
  };
}

function certificateFromRow(row: Row, serial: string): ProvisionedCertificate {
  return {
    keyHash: readText(row, "key_hash"),
    serial,
    previousSerial: readText(row, "previous_serial"),
    chain: readStrings(row, "chain"),
    notAfter: readInteger(row, "not_after"),
  };
}

const LIST = "provision-grants";
const NO_CERTIFICATE: ProvisionedCertificate = {
  keyHash: "",
  serial: "",
  previousSerial: "",
  chain: [],
  notAfter: 0,
};
const COLUMNS = `hash, common_name, dns_names, ip_addresses, life_seconds, spiffe_id, entry_id, granted_by,
  created_at, expires_at, failures, withdrawn, key_hash, serial, previous_serial, chain, not_after`;
/** Every column but the key. */
const UPDATES = COLUMNS.split(",")
  .map((column) => column.trim())
  .filter((column) => column !== "hash")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ");
