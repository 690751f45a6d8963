import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { AcmeLimitsConfig } from "../../../../config/acme-limits-section.ts";
import type { Clock } from "../../../../base/clock.ts";
import { LruMap } from "../../../../base/lru.ts";
import { ipBytes, ipText } from "../../../../x509/ip-address.ts";

/** More than is allowed. */
export interface OverLimit {
  /** When one more will be. */
  readonly retryAfterSeconds: number;
  /** One sentence for the ACME client. */
  readonly detail: string;
}

export interface AcmeRateLimitsOptions {
  readonly limits: AcmeLimitsConfig;
  readonly clock: Clock;
}

/**
 * What accounts and addresses did of late, in memory: a restart forgets it. Each limit is a bucket that fills evenly in
 * its hour or day. Only a bounded number is kept; the one unused for longest goes first.
 */
export class AcmeRateLimits {
  readonly #accounts: Buckets;
  readonly #orders: Buckets;
  readonly #duplicates: Buckets;
  readonly #failures: Buckets;

  constructor({ limits, clock }: AcmeRateLimitsOptions) {
    this.#accounts = new Buckets(limits.accountsPerAddressPerHour, HOUR, clock);
    this.#orders = new Buckets(limits.ordersPerAccountPerHour, HOUR, clock);
    this.#duplicates = new Buckets(limits.duplicatesPerDay, DAY, clock);
    this.#failures = new Buckets(limits.failedValidationsPerHour, HOUR, clock);
  }

  /** Others from now on; what was counted stays. */
  setLimits(limits: AcmeLimitsConfig): void {
    this.#accounts.limit = limits.accountsPerAddressPerHour;
    this.#orders.limit = limits.ordersPerAccountPerHour;
    this.#duplicates.limit = limits.duplicatesPerDay;
    this.#failures.limit = limits.failedValidationsPerHour;
  }

  /** A new account from this address. @returns undefined when it may be made, which counts */
  account(address: string): OverLimit | undefined {
    const key = networkOf(address);
    const wait = this.#accounts.wait(key);
    if (wait > 0) return over(wait, "too many new accounts from this address");
    this.#accounts.take(key);
    return undefined;
  }

  /** A new order for these identifiers. @returns undefined when it may be made, which counts */
  order(accountId: string, identifiers: readonly string[]): OverLimit | undefined {
    const set = createHash("sha256").update([...new Set(identifiers)].sort().join(" "));
    const names = `${accountId} ${set.digest("base64url")}`;
    const wait = this.#orders.wait(accountId);
    if (wait > 0) return over(wait, "too many new orders of this account");
    const same = this.#duplicates.wait(names);
    if (same > 0) return over(same, "too many new orders for the very same names");
    this.#orders.take(accountId);
    this.#duplicates.take(names);
    return undefined;
  }

  /** Whether the account may try to prove this identifier; asking counts nothing. */
  mayValidate(accountId: string, identifier: string): OverLimit | undefined {
    const wait = this.#failures.wait(`${accountId} ${identifier}`);
    return wait > 0 ? over(wait, `too many failed validations of ${identifier}`) : undefined;
  }

  /** A validation failed. */
  failed(accountId: string, identifier: string): void {
    this.#failures.take(`${accountId} ${identifier}`);
  }
}

interface Bucket {
  level: number;
  atMs: number;
}

class Buckets {
  limit: number;
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, Bucket>(MAX_BUCKETS);

  constructor(limit: number, windowMs: number, clock: Clock) {
    this.limit = limit;
    this.#windowMs = windowMs;
    this.#clock = clock;
  }

  /** @returns seconds until one more fits; 0 = now */
  wait(key: string): number {
    if (this.limit === 0) return 0;
    const { level } = this.#filled(key);
    if (level >= 1) return 0;
    return Math.ceil(((1 - level) * this.#windowMs) / this.limit / 1000);
  }

  take(key: string): void {
    if (this.limit === 0) return;
    const bucket = this.#filled(key);
    bucket.level = Math.max(0, bucket.level - 1);
    this.#buckets.set(key, bucket);
  }

  #filled(key: string): Bucket {
    const now = this.#clock.nowMs();
    const bucket = this.#buckets.get(key) ?? { level: this.limit, atMs: now };
    // A clock that was set back fills nothing.
    const passed = Math.max(0, now - bucket.atMs) / this.#windowMs;
    bucket.level = Math.min(this.limit, bucket.level + passed * this.limit);
    bucket.atMs = now;
    return bucket;
  }
}

/** Who has one IPv6 address has its network, too. */
function networkOf(address: string): string {
  if (isIP(address) !== 6 || address.includes("%")) return address;
  const bytes = ipBytes(address);
  // An IPv4 caller on a listener for both (RFC 4291 §2.5.5.2).
  if (address.toLowerCase().startsWith("::ffff:")) return ipText(bytes.subarray(12)) ?? address;
  return ipText(Uint8Array.from(bytes, (byte, at) => (at < 8 ? byte : 0))) ?? address;
}

function over(retryAfterSeconds: number, detail: string): OverLimit {
  return { retryAfterSeconds, detail };
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MAX_BUCKETS = 50_000;
