/**
 * What the ACME front end keeps (RFC 8555 §7.1): accounts, orders, authorizations with their challenges, and the
 * certificates that orders led to. Not in the change feed: no one holds a copy of it.
 */
import type { EpochSeconds } from "../../base/clock.ts";
import type { Page, PageRequest } from "./page.ts";

export interface AcmeAccountRecord {
  readonly id: string;
  /** Thumbprint of its key (RFC 7638, SHA-256, base64url); no two accounts have the same. */
  readonly keyId: string;
  /** The public key: a JWK as JSON. */
  readonly jwk: string;
  readonly status: "valid" | "deactivated" | "revoked";
  readonly contact: readonly string[];
  readonly termsAgreed: boolean;
  /** Key identifier of the external account it is bound to; empty = none. */
  readonly externalAccountId: string;
  readonly createdAt: EpochSeconds;
  /** Of its last order or change; no more exactly than the front end cares to write it. */
  readonly usedAt: EpochSeconds;
  /** Key of the address that it was made from (base/address-key.ts), until that is forgotten; else empty. */
  readonly madeFrom: string;
}

export interface AcmeIdentifierRecord {
  readonly type: "dns" | "ip";
  /** As it was asked for: with `*.` where it is a wildcard. */
  readonly value: string;
}

export interface AcmeOrderRecord {
  readonly id: string;
  readonly accountId: string;
  /** Open: what it is called on the wire (pending, ready or invalid) follows from its authorizations and its end. */
  readonly status: "open" | "valid" | "invalid";
  readonly identifiers: readonly AcmeIdentifierRecord[];
  /** One for each identifier, in their order. */
  readonly authorizations: readonly string[];
  /** Name of the certificate profile. */
  readonly profile: string;
  /** 0 = not asked for. */
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** Of an open one: when it can no longer be finalized; of a valid one: the end of its certificate. */
  readonly expiresAt: EpochSeconds;
  readonly createdAt: EpochSeconds;
  /** Of an invalid one: a problem as JSON; else empty. */
  readonly error: string;
  /** Empty = none yet. */
  readonly certificateId: string;
  /** Identifier of the certificate that it is to replace (RFC 9773 §4.1); empty = none. */
  readonly replaces: string;
  /** Of an open one whose certificate is being made: base64url of its CSR's DER; else empty. */
  readonly csr: string;
  /** What its certificate is to be, from before it was signed until it is stored: a plan as JSON; else empty. */
  readonly signing: string;
}

export interface AcmeChallengeRecord {
  readonly type: "http-01" | "dns-01" | "tls-alpn-01";
  readonly token: string;
  readonly status: "pending" | "processing" | "valid" | "invalid";
  /** 0 = not yet. */
  readonly validatedAt: EpochSeconds;
  /** A problem as JSON; empty = none. */
  readonly error: string;
}

export interface AcmeAuthorizationRecord {
  readonly id: string;
  readonly accountId: string;
  readonly type: "dns" | "ip";
  /** Without `*.`. */
  readonly value: string;
  readonly wildcard: boolean;
  readonly status: "pending" | "valid" | "invalid" | "deactivated";
  readonly expiresAt: EpochSeconds;
  readonly createdAt: EpochSeconds;
  readonly challenges: readonly AcmeChallengeRecord[];
}

export interface AcmeCertificateRecord {
  readonly id: string;
  readonly accountId: string;
  readonly orderId: string;
  /** Lower hex, no leading zeros; unique below its authority. */
  readonly serial: string;
  /** Of the X.509 authority that signed it. */
  readonly authorityId: string;
  /** Empty = none. */
  readonly spiffeId: string;
  /** DER in base64: leaf first, without the root. */
  readonly chain: readonly string[];
  /** Other chains of the same leaf, each as `chain`. */
  readonly alternates: readonly (readonly string[])[];
  readonly identifiers: readonly AcmeIdentifierRecord[];
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** The order that replaces it; empty = none. */
  readonly replacedBy: string;
  /** 0 = not revoked. */
  readonly revokedAt: EpochSeconds;
}

export interface AcmeAuthorizationFilter {
  readonly accountId: string;
  readonly type: "dns" | "ip";
  readonly value: string;
  readonly wildcard: boolean;
  /** Those that last at least until then. */
  readonly lastsUntil: EpochSeconds;
}

/** An order whose certificate is being made. */
export interface AcmeProcessingOrder {
  readonly id: string;
  readonly accountId: string;
  /** Rises with each order that is made. */
  readonly position: number;
}

export interface AcmeListedFilter {
  readonly accountId: string;
  readonly now: EpochSeconds;
}

/** When an order was made, and for what. */
export interface AcmeMadeOrder {
  readonly createdAt: EpochSeconds;
  readonly identifiers: readonly AcmeIdentifierRecord[];
  /** Rises with each order that is made. */
  readonly position: number;
}

export interface AcmeFailureFilter {
  readonly accountId: string;
  readonly type: "dns" | "ip";
  /** Without `*.`. */
  readonly value: string;
  /** After it. */
  readonly since: EpochSeconds;
}

export interface AcmeCounts {
  readonly accounts: number;
  readonly openOrders: number;
  /** Of those, whose certificates are being made. */
  readonly processingOrders: number;
  readonly pendingAuthorizations: number;
  readonly certificates: number;
}

export interface PrunedAccounts {
  /** Of those that are no longer valid: last used before. */
  readonly endedBefore: EpochSeconds;
  /** Of valid ones: last used before. */
  readonly unusedBefore: EpochSeconds;
  readonly limit: number;
}

export interface AcmeReader {
  account(id: string): Promise<AcmeAccountRecord | undefined>;
  accountByKey(keyId: string): Promise<AcmeAccountRecord | undefined>;
  order(id: string): Promise<AcmeOrderRecord | undefined>;
  /**
   * IDs of an account's orders that can still come to a certificate or have one (RFC 8555 §7.1.2.1), newest first: not of
   * those that are invalid, or open and past their end, or with an authorization that is lost, decided otherwise or past
   * its own. A page looks at `size` orders of whatever state, so that it may hold fewer IDs or none and yet have a next one.
   * A token holds whatever is deleted meanwhile.
   * @throws invalid when the token is none of ours
   */
  listedOrders(filter: AcmeListedFilter, page: PageRequest): Promise<Page<string>>;
  /**
   * Open ones whose certificates are being made, oldest first: also those that a process has left so which ended.
   * @param after position of the last one seen; absent: from the beginning
   */
  processingOrders(limit: number, after?: number): Promise<readonly AcmeProcessingOrder[]>;
  authorization(id: string): Promise<AcmeAuthorizationRecord | undefined>;
  /** The valid one that lasts longest, else the newest pending one. */
  findAuthorization(filter: AcmeAuthorizationFilter): Promise<AcmeAuthorizationRecord | undefined>;
  /** Whether it has a valid one for this identifier that has not ended. */
  hasValidAuthorization(filter: AcmeAuthorizationFilter): Promise<boolean>;
  /** Pending ones with a challenge that is being looked at: a process that ended has left them so. */
  processing(limit: number): Promise<readonly AcmeAuthorizationRecord[]>;
  /** Of an account, those that have not ended. */
  countPending(accountId: string, now: EpochSeconds): Promise<number>;
  certificate(id: string): Promise<AcmeCertificateRecord | undefined>;
  certificateBySerial(
    authorityId: string,
    serial: string,
  ): Promise<AcmeCertificateRecord | undefined>;
  counts(now: EpochSeconds): Promise<AcmeCounts>;
  /** When accounts were made from there, after `since`; the newest `limit` of them, newest first. */
  accountsMade(
    madeFrom: string,
    since: EpochSeconds,
    limit: number,
  ): Promise<readonly EpochSeconds[]>;
  /** Orders of an account, newest first. @param before position of the last one seen; absent: from the newest on */
  ordersMade(accountId: string, limit: number, before?: number): Promise<readonly AcmeMadeOrder[]>;
  /** When validations of an identifier failed; the newest `limit` of them, newest first. */
  failures(filter: AcmeFailureFilter, limit: number): Promise<readonly EpochSeconds[]>;
}

export interface AcmeWriter extends AcmeReader {
  /** @throws exists when the key has an account */
  createAccount(account: AcmeAccountRecord): Promise<void>;
  /** @throws not_found; exists when the key has another account */
  updateAccount(account: AcmeAccountRecord): Promise<void>;
  createOrder(order: AcmeOrderRecord): Promise<void>;
  /** @throws not_found */
  updateOrder(order: AcmeOrderRecord): Promise<void>;
  createAuthorization(authorization: AcmeAuthorizationRecord): Promise<void>;
  /** @throws not_found */
  updateAuthorization(authorization: AcmeAuthorizationRecord): Promise<void>;
  /** @throws exists when the authority has signed one with this serial */
  createCertificate(certificate: AcmeCertificateRecord): Promise<void>;
  /** @throws not_found */
  updateCertificate(certificate: AcmeCertificateRecord): Promise<void>;
  /**
   * Deletes orders, authorizations and certificates that ended before, at most `limit` of each.
   * @returns how many in all
   */
  prune(before: EpochSeconds, limit: number): Promise<number>;
  /** Deletes accounts that no order, authorization or certificate is left of. @returns how many */
  pruneAccounts(which: PrunedAccounts): Promise<number>;
  /** Forgets where accounts were made from that were made before. @returns how many */
  forgetMadeFrom(before: EpochSeconds, limit: number): Promise<number>;
}
