/** What the ACME front end keeps about external accounts (RFC 8555 §7.3.4): keys that new accounts prove to know. */
import type { EpochSeconds } from "../../base/clock.ts";
import type { Page, PageRequest } from "./page.ts";

export interface AcmeExternalAccountRecord {
  /** Key identifier, as the client is given it. */
  readonly id: string;
  /** Base64. Kept as it is: a MAC cannot be checked with less. */
  readonly macKey: string;
  /** Of a registration entry; empty = none. */
  readonly entryId: string;
  /** Rules for names as `frontends.acme.names.dns` has them. */
  readonly names: readonly string[];
  /** Addresses and networks as `frontends.acme.names.ip` has them. */
  readonly networks: readonly string[];
  /** Whether more than one account may be bound to it. */
  readonly reusable: boolean;
  /** Until when accounts may be bound; 0 = always. */
  readonly expiresAt: EpochSeconds;
  readonly createdAt: EpochSeconds;
  /** How many were bound. */
  readonly accounts: number;
}

export interface AcmeExternalAccountReader {
  get(id: string): Promise<AcmeExternalAccountRecord | undefined>;
  /** Ordered by id. Without `page`: all. */
  list(page?: PageRequest): Promise<Page<AcmeExternalAccountRecord>>;
  count(): Promise<number>;
}

export interface AcmeExternalAccountWriter extends AcmeExternalAccountReader {
  /** @throws exists */
  create(record: AcmeExternalAccountRecord): Promise<void>;
  /** Counts one more account. @returns whether there was one to bind it to */
  bind(id: string): Promise<boolean>;
  /** @returns whether there was one */
  delete(id: string): Promise<boolean>;
  /** Deletes those with 0 < expiresAt < now that nobody was bound to. @returns how many */
  prune(now: EpochSeconds): Promise<number>;
}
