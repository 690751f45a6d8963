import { createHash } from "node:crypto";
import { addressKey } from "../../../../base/address-key.ts";
import { type Clock, epochSeconds } from "../../../../base/clock.ts";
import type { AcmeLimitsConfig } from "../../../../config/sections/acme-limits-section.ts";
import type { AcmeIdentifierRecord, AcmeMadeOrder, AcmeReader } from "../../../datastore/acme.ts";
import type { AcmeIdentifier } from "../contract.ts";
import { identifierKey, nameSetKey } from "../identifiers.ts";
import { Buckets } from "./buckets.ts";

/** More than is allowed. */
export interface OverLimit {
  /** When one more will be. */
  readonly retryAfterSeconds: number;
  /** One sentence for the ACME client. */
  readonly detail: string;
}

export interface AcmeRateLimitsOptions {
  readonly limits: AcmeLimitsConfig;
  readonly store: Pick<AcmeReader, "accountsMade" | "ordersMade" | "failures">;
  readonly clock: Clock;
}

/**
 * What accounts and addresses did of late. It is counted in memory; what a key did before it was counted here, before a
 * restart for one, is read from the rows that it left when it is first asked for. Each limit is a bucket that fills evenly
 * in its hour or day.
 */
export class AcmeRateLimits {
  readonly #store: AcmeRateLimitsOptions["store"];
  readonly #clock: Clock;
  readonly #accounts: Buckets;
  readonly #orders: Buckets;
  readonly #duplicates: Buckets;
  readonly #failures: Buckets;

  constructor({ limits, store, clock }: AcmeRateLimitsOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#accounts = new Buckets(limits.accountsPerAddressPerHour, HOUR, clock);
    this.#orders = new Buckets(limits.ordersPerAccountPerHour, HOUR, clock);
    this.#duplicates = new Buckets(limits.duplicatesPerDay, DAY, clock);
    this.#failures = new Buckets(limits.failedValidationsPerHour, HOUR, clock);
  }

  /** Others from now on; what was counted stays. */
  setLimits(limits: AcmeLimitsConfig): void {
    // Of an account both are recalled together.
    const { ordersPerAccountPerHour: orders, duplicatesPerDay: duplicates } = limits;
    if (this.#duplicates.limit === 0 && duplicates !== 0) this.#orders.limit = 0;
    this.#accounts.limit = limits.accountsPerAddressPerHour;
    this.#orders.limit = orders;
    this.#duplicates.limit = duplicates;
    this.#failures.limit = limits.failedValidationsPerHour;
  }

  /** A new account from this address. @returns undefined when it may be made, which counts */
  async account(address: string): Promise<OverLimit | undefined> {
    const key = addressKey(address);
    const accounts = this.#accounts;
    await recall(accounts, key, () =>
      this.#store.accountsMade(key, this.#since(accounts), accounts.limit),
    );
    const wait = accounts.wait(key);
    if (wait > 0) return over(wait, "too many new accounts from this address");
    accounts.take(key);
    return undefined;
  }

  /** A new order for these identifiers. @returns undefined when it may be made, which counts */
  async order(
    accountId: string,
    identifiers: readonly AcmeIdentifierRecord[],
  ): Promise<OverLimit | undefined> {
    await this.#recallOrders(accountId);
    const names = setKey(accountId, identifiers);
    const wait = this.#orders.wait(accountId);
    if (wait > 0) return over(wait, "too many new orders of this account");
    const same = this.#duplicates.wait(names);
    if (same > 0) return over(same, "too many new orders for the very same names");
    this.#orders.take(accountId);
    this.#duplicates.take(names);
    return undefined;
  }

  /** Whether the account may try to prove this identifier; asking counts nothing. */
  async mayValidate(
    accountId: string,
    { type, value }: AcmeIdentifier,
  ): Promise<OverLimit | undefined> {
    const name = identifierKey({ type, value });
    const key = `${accountId} ${name}`;
    const failures = this.#failures;
    await recall(failures, key, () => {
      const filter = { accountId, type, value, since: this.#since(failures) };
      return this.#store.failures(filter, failures.limit);
    });
    const wait = failures.wait(key);
    return wait > 0 ? over(wait, `too many failed validations of ${name}`) : undefined;
  }

  /** A validation failed. One that is not counted here yet is found by its row. */
  failed(accountId: string, { type, value }: AcmeIdentifier): void {
    const key = `${accountId} ${identifierKey({ type, value })}`;
    if (this.#failures.has(key)) this.#failures.take(key);
  }

  async #recallOrders(accountId: string): Promise<void> {
    const orders = this.#orders;
    const duplicates = this.#duplicates;
    if ((orders.limit === 0 && duplicates.limit === 0) || orders.has(accountId)) return;
    const made = await this.#ordersOf(accountId, this.#since(duplicates));
    if (orders.has(accountId)) return;
    const sets = new Map<string, number[]>();
    for (const { createdAt, identifiers } of made) {
      const key = setKey(accountId, identifiers);
      const times = sets.get(key);
      if (times === undefined) sets.set(key, [createdAt * 1000]);
      else times.push(createdAt * 1000);
    }
    for (const [key, times] of sets) duplicates.replay(key, times);
    const since = this.#since(orders);
    const recent = made.filter(({ createdAt }) => createdAt > since);
    orders.replay(
      accountId,
      recent.map(({ createdAt }) => createdAt * 1000),
    );
  }

  /** Oldest first. */
  async #ordersOf(accountId: string, since: number): Promise<readonly AcmeMadeOrder[]> {
    const found: AcmeMadeOrder[] = [];
    for (let isAll = false; !isAll && found.length < MAX_RECALLED; ) {
      const page = await this.#store.ordersMade(accountId, PAGE, found.at(-1)?.position);
      const recent = page.filter(({ createdAt }) => createdAt > since);
      found.push(...recent);
      isAll = recent.length < PAGE;
    }
    return found.toReversed();
  }

  /** Epoch seconds. */
  #since({ windowMs }: Buckets): number {
    return epochSeconds(this.#clock) - windowMs / 1000;
  }
}

/** @param read newest first, epoch seconds */
async function recall(
  buckets: Buckets,
  key: string,
  read: () => Promise<readonly number[]>,
): Promise<void> {
  if (buckets.limit === 0 || buckets.has(key)) return;
  const times = await read();
  // Two asked at once: the other one counts already.
  if (buckets.has(key)) return;
  buckets.replay(key, times.map((seconds) => seconds * 1000).toReversed());
}

function setKey(accountId: string, identifiers: readonly AcmeIdentifierRecord[]): string {
  const set = createHash("sha256").update(nameSetKey(identifiers));
  return `${accountId} ${set.digest("base64url")}`;
}

function over(retryAfterSeconds: number, detail: string): OverLimit {
  return { retryAfterSeconds, detail };
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const PAGE = 500;
/** Orders of one account within a day, newest first; what is beyond them is forgotten. */
const MAX_RECALLED = 20_000;
