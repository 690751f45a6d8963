/** What the front end `provision` keeps: authorizations, with what came of them, and the tokens of those who make them. */
import type { EpochSeconds } from "../../base/clock.ts";
import type { Page, PageRequest } from "./page.ts";

/** The certificate that a token was used for. */
export interface ProvisionedCertificate {
  /** SHA-256 of its key's DER SubjectPublicKeyInfo, lower-case hex. */
  readonly keyHash: string;
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  /** Of the one that it renewed, which its holder may still have in its place; empty = none. */
  readonly previousSerial: string;
  /** DER in base64, leaf first, without the root. */
  readonly chain: readonly string[];
  readonly notAfter: EpochSeconds;
}

/** An authorization: whoever shows the token once gets a certificate that says this. */
export interface ProvisionGrant {
  /** SHA-256 of the token, lower-case hex: the token itself is never stored. */
  readonly hash: string;
  readonly commonName: string;
  /** That of the common name included; those of the entry are looked up when something is signed. */
  readonly dnsNames: readonly string[];
  /** Textual (RFC 5952). */
  readonly ipAddresses: readonly string[];
  /** Life of the certificate, seconds; 0 = the profile's. */
  readonly lifeSeconds: number;
  /** Empty = none. */
  readonly spiffeId: string;
  /** Empty = none. */
  readonly entryId: string;
  /** Who authorized it: `local`, `admin <SPIFFE ID>`, `token <name>`, `anyone`. */
  readonly grantedBy: string;
  readonly createdAt: EpochSeconds;
  /** When the token stops to count. */
  readonly expiresAt: EpochSeconds;
  /** Attempts with the token that came to nothing. */
  readonly failures: number;
  /** Whether it may be neither used nor renewed any more. */
  readonly withdrawn: boolean;
  /** Absent: the token was not used yet. */
  readonly certificate?: ProvisionedCertificate;
}

export interface ProvisionGrantReader {
  get(hash: string): Promise<ProvisionGrant | undefined>;
  /** The grant whose newest certificate has this serial, or the one before it. */
  findBySerial(serial: string): Promise<ProvisionGrant | undefined>;
  /** Ordered by hash. Without `page`: all. */
  list(page?: PageRequest): Promise<Page<ProvisionGrant>>;
  count(): Promise<number>;
}

export interface ProvisionGrantWriter extends ProvisionGrantReader {
  /** Creates or replaces. */
  put(grant: ProvisionGrant): Promise<void>;
  /** @returns whether there was one */
  delete(hash: string): Promise<boolean>;
  /** Deletes those of this grantor that were not used yet. @returns how many */
  deleteUnused(grantedBy: string): Promise<number>;
  /** Deletes those whose token and certificate have both ended before `now`. @returns how many */
  prune(now: EpochSeconds): Promise<number>;
}

/** A token that may authorize over HTTP, until it ends. */
export interface ProvisionApiToken {
  /** SHA-256 of the token, lower-case hex: the token itself is never stored. */
  readonly hash: string;
  /** Chosen by whoever made it; unique. */
  readonly name: string;
  /** Names it may authorize; `*.example.org` = all below; none = any. */
  readonly allowNames: readonly string[];
  /** Whether it may authorize SPIFFE IDs and entries. */
  readonly allowEntries: boolean;
  readonly createdAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

export interface ProvisionApiTokenReader {
  get(hash: string): Promise<ProvisionApiToken | undefined>;
  /** Ordered by name. Their number is bounded by whoever makes them. */
  list(): Promise<readonly ProvisionApiToken[]>;
}

export interface ProvisionApiTokenWriter extends ProvisionApiTokenReader {
  /** @throws exists when the name or the token is there */
  create(token: ProvisionApiToken): Promise<void>;
  /** @param name of the token. @returns whether there was one */
  delete(name: string): Promise<boolean>;
  /** Deletes tokens with expiresAt < now. @returns how many */
  prune(now: EpochSeconds): Promise<number>;
}
