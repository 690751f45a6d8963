import { type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import type { RevokedAuthority } from "../datastore/revoked-authorities.ts";
import { type Authority, type CrlSigner, loadAuthority, upstreamIdOf } from "./authority.ts";
import type { AuthorityKindRules } from "./authority-kinds.ts";
import { type LostAuthorities, NONE_LOST, lostAuthorities } from "../../spiffe/lost-authorities.ts";
import { publishOwnBundle, readOwnBundle } from "./publish.ts";
import { setOption, setWords } from "./set-name.ts";
import type { AuthoritySlotsOptions } from "./slots-options.ts";

export interface JournalChange {
  readonly put?: readonly Authority[];
  readonly remove?: readonly AuthorityRecord[];
  /** Remembered until they end: nobody brings them back. */
  readonly revoke?: readonly Omit<RevokedAuthority, "set">[];
  readonly publish?: (bundle: Bundle) => Bundle;
}

/**
 * The authorities of one kind in one set, as stored and as held in memory. Each change is one transaction over the
 * journal and, for the domain's own set, the bundle; memory follows after the commit.
 */
export class AuthorityJournal {
  readonly #options: AuthoritySlotsOptions;
  readonly #rules: AuthorityKindRules;
  #authorities: readonly Authority[];
  #active: Authority | undefined;
  #lost: LostAuthorities;
  /** Ids of the kind. */
  readonly #revoked: Set<string>;

  private constructor(
    options: AuthoritySlotsOptions,
    rules: AuthorityKindRules,
    authorities: readonly Authority[],
    revoked: readonly RevokedAuthority[],
  ) {
    this.#options = options;
    this.#rules = rules;
    this.#authorities = authorities;
    this.#active = this.withStatus("active")[0];
    this.#revoked = new Set(revoked.filter(({ kind }) => kind === rules.kind).map(({ id }) => id));
    this.#lost = this.#findLost();
  }

  static async load(
    options: AuthoritySlotsOptions,
    rules: AuthorityKindRules,
  ): Promise<AuthorityJournal> {
    const records = await options.datastore.authorities.list(options.name);
    const own = records.filter(({ kind }) => kind === rules.kind);
    const loaded = own.map((record) =>
      loadAuthority(record, options.keyManager, options.keepsOldKeys),
    );
    const revoked = await options.datastore.revokedAuthorities.list(options.name);
    return new AuthorityJournal(options, rules, await Promise.all(loaded), revoked);
  }

  /** By creation. */
  get records(): readonly AuthorityRecord[] {
    return this.#authorities.map(({ record }) => record);
  }

  /** By creation. */
  get authorities(): readonly Authority[] {
    return this.#authorities;
  }

  /** The only one that signs, if there is one. */
  get active(): Authority | undefined {
    return this.#active;
  }

  /** X.509: those that are tainted, or were revoked; the same object until a change of them. */
  get lost(): LostAuthorities {
    return this.#lost;
  }

  /** X.509: all that have not ended and whose key is there, old ones too where keys are kept. */
  crlSigners(): readonly CrlSigner[] {
    return this.#authorities.flatMap(({ record, crlSigner: signer, certificate }) =>
      signer === undefined || certificate === undefined || record.notAfter <= this.now
        ? []
        : [{ id: record.id, signer, certificate }],
    );
  }

  get now(): EpochSeconds {
    return epochSeconds(this.#options.clock);
  }

  withStatus(status: AuthorityRecord["status"]): readonly Authority[] {
    return this.#authorities.filter(({ record }) => record.status === status);
  }

  /** @throws not_found */
  require(id: string): Authority {
    const authority = this.#authorities.find(({ record }) => record.id === id);
    if (authority !== undefined) return authority;
    const { noun, word } = this.#rules;
    const { name } = this.#options;
    throw fail(
      "not_found",
      `no ${noun} '${id.slice(0, MAX_SHOWN_ID)}' in ${setWords(name)}; 'assay authority ${word} show${setOption(name)}' lists them`,
    );
  }

  /** The domain's own, as stored. */
  async bundle(): Promise<Bundle> {
    const { datastore, trustDomain } = this.#options;
    return readOwnBundle(datastore.bundles, trustDomain);
  }

  /** @throws precondition for an authority to be prepared below a root that was revoked here */
  async commit(change: JournalChange): Promise<void> {
    const { datastore, name, published, trustDomain } = this.#options;
    const { put = [], remove = [], revoke = [], publish = same } = change;
    await datastore.transaction(async (writers) => {
      for (const authority of revoke) {
        await writers.revokedAuthorities.prune(this.now - DAY);
        await writers.revokedAuthorities.put({ ...authority, set: name });
      }
      refuseBelowRevoked(put, await writers.revokedAuthorities.list(name));
      for (const { record } of put) await writers.authorities.put(record);
      for (const { kind, id } of remove) await writers.authorities.delete(name, kind, id);
      if (!published) return;
      await publishOwnBundle(writers, trustDomain, this.now, (bundle) =>
        remove.reduce((rest, record) => this.#rules.removeFrom(rest, record), publish(bundle)),
      );
    });
    const changed = new Map(put.map((authority) => [authority.record.id, authority]));
    const gone = new Set(remove.map(({ id }) => id));
    const kept = this.#authorities.filter(({ record }) => !gone.has(record.id));
    const known = new Set(kept.map(({ record }) => record.id));
    this.#authorities = [
      ...kept.map((authority) => changed.get(authority.record.id) ?? authority),
      ...put.filter(({ record }) => !known.has(record.id)),
    ];
    this.#active = this.withStatus("active")[0];
    for (const { id } of revoke) this.#revoked.add(id);
    if (revoke.length > 0 || [...put.map(({ record }) => record), ...remove].some(isTainted)) {
      this.#lost = this.#findLost();
    }
    for (const { record, crlSigner } of put)
      if (record.status === "old" && crlSigner === undefined) await this.deleteKey(record.keyName);
    for (const { keyName } of remove) await this.deleteKey(keyName);
  }

  #findLost(): LostAuthorities {
    return this.#rules.kind === "x509" ? lostAuthorities(this.records, this.#revoked) : NONE_LOST;
  }

  /** The journal no longer needs the key; one that stays behind is found at the next start. */
  async deleteKey(keyName: string): Promise<void> {
    const { keyManager, logger } = this.#options;
    try {
      await keyManager.delete(keyName);
    } catch (error) {
      logger.warn("key of an old authority was not deleted", { keyName, error });
    }
  }

  /** An authority that has signed its last SVID: it stays in the bundle. */
  retired(authority: Authority): Authority {
    return {
      ...authority,
      signer: undefined,
      crlSigner: this.#options.keepsOldKeys ? authority.crlSigner : undefined,
      record: { ...authority.record, status: "old" },
    };
  }

  refusal(id: string, why: string): AssayError {
    return fail("precondition", `${this.#rules.noun} ${id} ${why}`);
  }

  log(what: string, record: AuthorityRecord): void {
    this.#options.logger.info(`${this.#rules.noun} ${what}`, logFields(record));
  }
}

export function logFields(record: AuthorityRecord): Record<string, unknown> {
  const { set, id, notAfter } = record;
  return { set, authorityId: id, notAfter: new Date(notAfter * 1000).toISOString() };
}

function refuseBelowRevoked(put: readonly Authority[], revoked: readonly RevokedAuthority[]): void {
  const roots = new Set(revoked.filter(({ kind }) => kind === "x509").map(({ id }) => id));
  for (const { record } of put) {
    const root = record.status === "prepared" ? upstreamIdOf(record) : undefined;
    if (root === undefined || !roots.has(root)) continue;
    throw fail(
      "precondition",
      `the next X.509 authority would stand below the root ${root}, which was revoked here; have it signed below another one`,
    );
  }
}

function isTainted({ tainted }: AuthorityRecord): boolean {
  return tainted;
}

function same(bundle: Bundle): Bundle {
  return bundle;
}

const MAX_SHOWN_ID = 64;
const DAY = 24 * 3600;
