import { asBuffer, toBase64, toHex } from "../../../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../../../base/clock.ts";
import { fail } from "../../../../base/errors.ts";
import type { Random } from "../../../../base/random.ts";
import { checkNameRule, checkNetwork } from "../../../../config/sections/acme-names-section.ts";
import type { AcmeExternalAccountRecord } from "../../../datastore/acme-external-accounts.ts";
import type { Datastore, EntryRecord, Writers } from "../../../datastore/contract.ts";
import type { Page, PageRequest } from "../../../datastore/page.ts";
import type { ExternalAccount, ExternalAccounts } from "../contract.ts";

export interface StoredExternalAccountsOptions {
  readonly store: Datastore;
  readonly clock: Clock;
  readonly random: Random;
  /** New accounts have to be bound to one, as it is now. */
  readonly required: () => boolean;
}

export interface NewExternalAccount {
  /** Empty = none. */
  readonly entryId: string;
  readonly names: readonly string[];
  readonly networks: readonly string[];
  readonly reusable: boolean;
  /** Time in which accounts may be bound; 0 = a week, or without an end when it is reusable. */
  readonly ttlSeconds: number;
}

/** External accounts in the datastore: made and deleted by administrators, used by new ACME accounts. */
export class StoredExternalAccounts implements ExternalAccounts {
  readonly #options: StoredExternalAccountsOptions;

  constructor(options: StoredExternalAccountsOptions) {
    this.#options = options;
  }

  get required(): boolean {
    return this.#options.required();
  }

  /** @throws invalid; not_found when there is no such entry; precondition for one with a template; limited */
  async create(asked: NewExternalAccount): Promise<AcmeExternalAccountRecord> {
    const { store, clock, random } = this.#options;
    const { entryId, reusable } = asked;
    const now = epochSeconds(clock);
    const record: AcmeExternalAccountRecord = {
      id: toHex(random.bytes(ID_BYTES)),
      macKey: toBase64(newMacKey(random)),
      entryId,
      names: rulesOf(asked.names, "names", checkNameRule),
      networks: rulesOf(asked.networks, "networks", checkNetwork),
      reusable,
      expiresAt: endOf(asked, now),
      createdAt: now,
      accounts: 0,
    };
    await store.transaction(async ({ entries, acmeExternalAccounts: external }) => {
      if (entryId !== "") requireIdentity(entryId, await entries.get(entryId));
      if ((await external.count()) >= MAX_ACCOUNTS) await external.prune(now);
      if ((await external.count()) >= MAX_ACCOUNTS) {
        throw fail("limited", `there are ${MAX_ACCOUNTS} external accounts; delete some`);
      }
      await external.create(record);
    });
    return record;
  }

  /** Ordered by id. */
  async list(page: PageRequest): Promise<Page<AcmeExternalAccountRecord>> {
    return this.#options.store.acmeExternalAccounts.list(page);
  }

  /** Accounts bound to it may have no names from then on. @throws not_found */
  async delete(id: string): Promise<void> {
    const { store } = this.#options;
    const there = await store.transaction((writers) => writers.acmeExternalAccounts.delete(id));
    if (!there) throw fail("not_found", "there is no external account of this key ID");
  }

  async find(id: string): Promise<ExternalAccount | undefined> {
    const record = await this.#options.store.acmeExternalAccounts.get(id);
    return record === undefined || !this.#mayBind(record) ? undefined : externalAccount(record);
  }

  async bound(id: string): Promise<ExternalAccount | undefined> {
    const record = await this.#options.store.acmeExternalAccounts.get(id);
    return record && externalAccount(record);
  }

  async use({ acmeExternalAccounts: external }: Writers, id: string): Promise<void> {
    const record = await external.get(id);
    if (record === undefined || !this.#mayBind(record) || !(await external.bind(id))) {
      throw fail("denied", "the external account was used before, has expired or was deleted");
    }
  }

  #mayBind({ reusable, accounts, expiresAt }: AcmeExternalAccountRecord): boolean {
    if (expiresAt !== 0 && expiresAt <= epochSeconds(this.#options.clock)) return false;
    return reusable || accounts === 0;
  }
}

/** In base64url it does not begin with `-`: clients take it on the command line, where that would begin an option. */
function newMacKey(random: Random): Uint8Array {
  for (;;) {
    const key = random.bytes(MAC_KEY_BYTES);
    if ((key[0] ?? 0) >> 2 !== HYPHEN) return key;
  }
}

/** @throws not_found, precondition */
function requireIdentity(entryId: string, entry: EntryRecord | undefined): void {
  if (entry === undefined) throw fail("not_found", `there is no entry ${entryId}`);
  if (entry.template === undefined) return;
  throw fail(
    "precondition",
    `entry ${entryId} has a template and is nobody's identity itself; make one for the member ('assay entry create')`,
  );
}

function externalAccount({ id, macKey, entryId }: AcmeExternalAccountRecord): ExternalAccount {
  const bytes = Uint8Array.from(asBuffer(Buffer.from(macKey, "base64")));
  return { id, macKey: bytes, ...(entryId === "" ? {} : { entryId }) };
}

function rulesOf(
  texts: readonly string[],
  field: string,
  check: (text: string) => string,
): readonly string[] {
  if (texts.length > MAX_RULES) throw fail("invalid", `${field}: are more than ${MAX_RULES}`);
  return texts.map((text, index) => {
    try {
      return check(text);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "";
      throw fail("invalid", `${field}[${index}]: ${why}`, { cause });
    }
  });
}

function endOf({ ttlSeconds, reusable }: NewExternalAccount, now: EpochSeconds): EpochSeconds {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 0 || ttlSeconds > MAX_TTL_SECONDS) {
    throw fail("invalid", `ttl: is 1 to ${MAX_TTL_SECONDS} seconds`);
  }
  if (ttlSeconds > 0) return now + ttlSeconds;
  return reusable ? 0 : now + DEFAULT_TTL_SECONDS;
}

const ID_BYTES = 12;
/** As long as the digest of HS256 (RFC 7518 §3.2). */
const MAC_KEY_BYTES = 32;
/** Of six bits (RFC 4648 §5). */
const HYPHEN = 62;
const MAX_ACCOUNTS = 100_000;
const MAX_RULES = 256;
const DEFAULT_TTL_SECONDS = 7 * 86_400;
const MAX_TTL_SECONDS = 366 * 86_400;
