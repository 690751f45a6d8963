import type { SQLInputValue } from "node:sqlite";
import type { EpochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type {
  AcmeAccountRecord,
  AcmeAuthorizationFilter,
  AcmeAuthorizationRecord,
  AcmeCertificateRecord,
  AcmeCounts,
  AcmeFailureFilter,
  AcmeListedFilter,
  AcmeMadeOrder,
  AcmeOrderRecord,
  AcmeProcessingOrder,
  AcmeReader,
  AcmeWriter,
  PrunedAccounts,
} from "../acme.ts";
import type { Page, PageRequest } from "../page.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "../page-token.ts";
import {
  ACCOUNT_COLUMNS,
  AUTHORIZATION_COLUMNS,
  CERTIFICATE_COLUMNS,
  ORDER_COLUMNS,
  accountFromRow,
  accountValues,
  authorizationFromRow,
  authorizationValues,
  certificateFromRow,
  certificateValues,
  madeOrderFromRow,
  orderFromRow,
  orderValues,
} from "./acme-rows.ts";
import type { SqlReader, TransactionScope } from "./connection.ts";
import { type Row, readBoolean, readInteger, readText } from "./row.ts";

export class SqliteAcmeReader implements AcmeReader {
  readonly #sql: SqlReader;

  constructor(sql: SqlReader) {
    this.#sql = sql;
  }

  async account(id: string): Promise<AcmeAccountRecord | undefined> {
    return this.#one(accountFromRow, SELECT_ACCOUNT, id);
  }

  async accountByKey(keyId: string): Promise<AcmeAccountRecord | undefined> {
    return this.#one(accountFromRow, SELECT_ACCOUNT_BY_KEY, keyId);
  }

  async order(id: string): Promise<AcmeOrderRecord | undefined> {
    return this.#one(orderFromRow, `SELECT ${ORDER_COLUMNS} FROM acme_orders WHERE id = ?`, id);
  }

  async listedOrders(
    { accountId, now }: AcmeListedFilter,
    page: PageRequest,
  ): Promise<Page<string>> {
    const size = checkPageSize(page);
    const [before = Number.MAX_SAFE_INTEGER] =
      page.token === undefined ? [] : decodePageToken(LISTED, page.token, ["number"]);
    const rows = this.#sql.all(SELECT_LISTED, accountId, before, now, size + 1);
    const looked = rows.slice(0, size);
    const items = looked.filter((row) => readBoolean(row, "is_listed"));
    const last = looked.at(-1);
    return {
      items: items.map((row) => readText(row, "id")),
      ...(last === undefined || rows.length <= size
        ? {}
        : { nextToken: encodePageToken(LISTED, [readInteger(last, "number")]) }),
    };
  }

  async processingOrders(limit: number, after = 0): Promise<readonly AcmeProcessingOrder[]> {
    return this.#sql
      .all(
        `SELECT number, id, account_id FROM acme_orders
         WHERE csr <> '' AND status = 'open' AND number > ? ORDER BY number LIMIT ?`,
        after,
        limit,
      )
      .map((row) => ({
        id: readText(row, "id"),
        accountId: readText(row, "account_id"),
        position: readInteger(row, "number"),
      }));
  }

  async authorization(id: string): Promise<AcmeAuthorizationRecord | undefined> {
    return this.#one(
      authorizationFromRow,
      `SELECT ${AUTHORIZATION_COLUMNS} FROM acme_authorizations WHERE id = ?`,
      id,
    );
  }

  async findAuthorization(
    filter: AcmeAuthorizationFilter,
  ): Promise<AcmeAuthorizationRecord | undefined> {
    return this.#find("valid", filter) ?? this.#find("pending", filter);
  }

  async hasValidAuthorization(filter: AcmeAuthorizationFilter): Promise<boolean> {
    return this.#find("valid", filter) !== undefined;
  }

  async processing(limit: number): Promise<readonly AcmeAuthorizationRecord[]> {
    return this.#sql
      .all(
        `SELECT ${AUTHORIZATION_COLUMNS} FROM acme_authorizations WHERE processing = 1
         ORDER BY number LIMIT ?`,
        limit,
      )
      .map(authorizationFromRow);
  }

  async countPending(accountId: string, now: EpochSeconds): Promise<number> {
    const row = this.#sql.get(
      `SELECT count(*) AS many FROM acme_authorizations
       WHERE account_id = ? AND status = 'pending' AND expires_at > ?`,
      accountId,
      now,
    );
    return readInteger(row, "many");
  }

  async certificate(id: string): Promise<AcmeCertificateRecord | undefined> {
    return this.#one(certificateFromRow, `${SELECT_CERTIFICATE} WHERE id = ?`, id);
  }

  async certificateBySerial(
    authorityId: string,
    serial: string,
  ): Promise<AcmeCertificateRecord | undefined> {
    const where = `${SELECT_CERTIFICATE} WHERE authority_id = ? AND serial = ?`;
    return this.#one(certificateFromRow, where, authorityId, serial);
  }

  async counts(now: EpochSeconds): Promise<AcmeCounts> {
    const row = this.#sql.get(
      `SELECT (SELECT count(*) FROM acme_accounts WHERE status = 'valid') AS accounts,
         (SELECT count(*) FROM acme_orders WHERE status = 'open' AND expires_at > ?1) AS orders,
         (SELECT count(*) FROM acme_orders WHERE csr <> '' AND status = 'open') AS processing,
         (SELECT count(*) FROM acme_authorizations WHERE status = 'pending' AND expires_at > ?1) AS pending,
         (SELECT count(*) FROM acme_certificates WHERE revoked_at = 0 AND not_after >= ?1) AS certificates`,
      now,
    );
    return {
      accounts: readInteger(row, "accounts"),
      openOrders: readInteger(row, "orders"),
      processingOrders: readInteger(row, "processing"),
      pendingAuthorizations: readInteger(row, "pending"),
      certificates: readInteger(row, "certificates"),
    };
  }

  async accountsMade(
    madeFrom: string,
    since: EpochSeconds,
    limit: number,
  ): Promise<readonly EpochSeconds[]> {
    const sql = `SELECT created_at FROM acme_accounts
      WHERE made_from = ? AND made_from <> '' AND created_at > ? ORDER BY created_at DESC LIMIT ?`;
    const rows = this.#sql.all(sql, madeFrom, since, limit);
    return rows.map((row) => readInteger(row, "created_at"));
  }

  async ordersMade(
    accountId: string,
    limit: number,
    before = Number.MAX_SAFE_INTEGER,
  ): Promise<readonly AcmeMadeOrder[]> {
    const sql = `SELECT created_at, identifiers, number FROM acme_orders
      WHERE account_id = ? AND number < ? ORDER BY number DESC LIMIT ?`;
    return this.#sql.all(sql, accountId, before, limit).map(madeOrderFromRow);
  }

  async failures(filter: AcmeFailureFilter, limit: number): Promise<readonly EpochSeconds[]> {
    const { accountId, type, value, since } = filter;
    const rows = this.#sql.all(SELECT_FAILURES, accountId, type, value, since, limit);
    return rows.map((row) => readInteger(row, "failed_at"));
  }

  #find(status: string, filter: AcmeAuthorizationFilter): AcmeAuthorizationRecord | undefined {
    const { accountId, type, value, wildcard, lastsUntil } = filter;
    return this.#one(
      authorizationFromRow,
      `SELECT ${AUTHORIZATION_COLUMNS} FROM acme_authorizations
       WHERE account_id = ? AND status = ? AND type = ? AND value = ? AND wildcard = ? AND expires_at >= ?
       ORDER BY expires_at DESC LIMIT 1`,
      accountId,
      status,
      type,
      value,
      wildcard ? 1 : 0,
      lastsUntil,
    );
  }

  #one<T>(read: (row: Row) => T, sql: string, ...values: SQLInputValue[]): T | undefined {
    const row = this.#sql.get(sql, ...values);
    return row === undefined ? undefined : read(row);
  }
}

export class SqliteAcmeWriter extends SqliteAcmeReader implements AcmeWriter {
  readonly #scope: TransactionScope;

  constructor(scope: TransactionScope) {
    super(scope);
    this.#scope = scope;
  }

  async createAccount(account: AcmeAccountRecord): Promise<void> {
    this.#scope.run(INSERT_ACCOUNT, ...accountValues(account));
  }

  async updateAccount(account: AcmeAccountRecord): Promise<void> {
    this.#update("account", UPDATE_ACCOUNT, accountValues(account));
  }

  async createOrder(order: AcmeOrderRecord): Promise<void> {
    this.#scope.run(INSERT_ORDER, ...orderValues(order));
  }

  async updateOrder(order: AcmeOrderRecord): Promise<void> {
    this.#update("order", UPDATE_ORDER, orderValues(order));
  }

  async createAuthorization(authorization: AcmeAuthorizationRecord): Promise<void> {
    this.#scope.run(INSERT_AUTHORIZATION, ...authorizationValues(authorization));
  }

  async updateAuthorization(authorization: AcmeAuthorizationRecord): Promise<void> {
    this.#update("authorization", UPDATE_AUTHORIZATION, authorizationValues(authorization));
  }

  async createCertificate(certificate: AcmeCertificateRecord): Promise<void> {
    this.#scope.run(INSERT_CERTIFICATE, ...certificateValues(certificate));
  }

  async updateCertificate(certificate: AcmeCertificateRecord): Promise<void> {
    this.#update("certificate", UPDATE_CERTIFICATE, certificateValues(certificate));
  }

  async prune(before: EpochSeconds, limit: number): Promise<number> {
    const tables = ["acme_orders:expires_at", "acme_authorizations:expires_at"];
    let many = 0;
    for (const each of [...tables, "acme_certificates:not_after"]) {
      const [table, end] = each.split(":");
      const done = this.#scope.run(
        `DELETE FROM ${table} WHERE number IN
           (SELECT number FROM ${table} WHERE ${end} < ? ORDER BY ${end} LIMIT ?)`,
        before,
        limit,
      );
      many += Number(done.changes);
    }
    return many;
  }

  async pruneAccounts(which: PrunedAccounts): Promise<number> {
    const { endedBefore, unusedBefore, limit } = which;
    const done = this.#scope.run(PRUNE_ACCOUNTS, endedBefore, unusedBefore, limit);
    return Number(done.changes);
  }

  async forgetMadeFrom(before: EpochSeconds, limit: number): Promise<number> {
    const sql = `UPDATE acme_accounts SET made_from = '' WHERE id IN
      (SELECT id FROM acme_accounts WHERE made_from <> '' AND created_at < ? LIMIT ?)`;
    return Number(this.#scope.run(sql, before, limit).changes);
  }

  #update(what: string, sql: string, [id = "", ...values]: (string | number)[]): void {
    const done = this.#scope.run(sql, ...values, id);
    if (done.changes === 0) throw fail("not_found", `there is no acme ${what} '${id}'`);
  }
}

const insert = (table: string, columns: string): string =>
  `INSERT INTO ${table} (${columns}) VALUES (${columns.replaceAll(/\w+/g, "?")})`;
/** All columns but the first, by the first. */
const update = (table: string, columns: string): string => {
  const [id = "", ...others] = columns.split(", ");
  return `UPDATE ${table} SET ${others.map((name) => `${name} = ?`).join(", ")} WHERE ${id} = ?`;
};

const SELECT_ACCOUNT = `SELECT ${ACCOUNT_COLUMNS} FROM acme_accounts WHERE id = ?`;
const SELECT_ACCOUNT_BY_KEY = `SELECT ${ACCOUNT_COLUMNS} FROM acme_accounts WHERE key_id = ?`;
const SELECT_CERTIFICATE = `SELECT ${CERTIFICATE_COLUMNS} FROM acme_certificates`;
/** As the front end calls them (RFC 8555 §7.1.6); an open order that has ended needs no look at its authorizations. */
const SELECT_LISTED = `SELECT id, number, status = 'valid' OR (
    status = 'open' AND expires_at > ?3 AND NOT EXISTS (
      SELECT 1 FROM json_each(acme_orders.authorizations) AS named
      LEFT JOIN acme_authorizations AS one ON one.id = named.value
      WHERE one.id IS NULL OR one.status NOT IN ('pending', 'valid') OR one.expires_at <= ?3)
  ) AS is_listed
  FROM acme_orders WHERE account_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?4`;
const LISTED = "acme-orders";
/** An authorization is invalid from the one challenge on that failed. */
const SELECT_FAILURES = `SELECT challenge.value ->> 'validatedAt' AS failed_at
  FROM acme_authorizations, json_each(challenges) AS challenge
  WHERE account_id = ? AND acme_authorizations.status = 'invalid' AND acme_authorizations.type = ?
    AND acme_authorizations.value = ? AND challenge.value ->> 'status' = 'invalid' AND failed_at > ?
  ORDER BY failed_at DESC LIMIT ?`;
const INSERT_ACCOUNT = insert("acme_accounts", ACCOUNT_COLUMNS);
const UPDATE_ACCOUNT = update("acme_accounts", ACCOUNT_COLUMNS);
const PRUNE_ACCOUNTS = `DELETE FROM acme_accounts WHERE id IN (
  SELECT id FROM acme_accounts AS account
  WHERE used_at < max(?1, ?2) AND used_at < CASE status WHEN 'valid' THEN ?2 ELSE ?1 END
    AND NOT EXISTS (SELECT 1 FROM acme_orders WHERE account_id = account.id)
    AND NOT EXISTS (SELECT 1 FROM acme_authorizations WHERE account_id = account.id)
    AND NOT EXISTS (SELECT 1 FROM acme_certificates WHERE account_id = account.id)
  ORDER BY used_at LIMIT ?3)`;
const INSERT_ORDER = insert("acme_orders", ORDER_COLUMNS);
const UPDATE_ORDER = update("acme_orders", ORDER_COLUMNS);
const INSERT_AUTHORIZATION = insert("acme_authorizations", AUTHORIZATION_COLUMNS);
const UPDATE_AUTHORIZATION = update("acme_authorizations", AUTHORIZATION_COLUMNS);
const INSERT_CERTIFICATE = insert("acme_certificates", CERTIFICATE_COLUMNS);
const UPDATE_CERTIFICATE = update("acme_certificates", CERTIFICATE_COLUMNS);
