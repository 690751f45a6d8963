/**
 * The slots of one kind of authority (X.509 or JWT) in one set.
 *
 * An authority is prepared (published, not signing), then active (the only one that signs), then old (published until
 * it ends, its key deleted). Only an old one may be tainted, only a tainted one revoked. Each step is one transaction
 * over the journal and, for the domain's own set, the bundle; memory follows after the commit.
 */
import { toBase64, toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { RotationAudit, RotationStep } from "../../observe/audit.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { AuthorityRecord, Datastore } from "../datastore/contract.ts";
import type { KeyManager } from "../keymanager/contract.ts";
import { type Authority, type CrlSigner, authorityOf, loadAuthority } from "./authority.ts";
import type { AuthorityKindRules } from "./authority-kinds.ts";
import { publishOwnBundle } from "./publish.ts";
import {
  type RotationPlan,
  lifeOf,
  planRotation,
  shouldActivate,
  shouldPrepare,
} from "./rotation-plan.ts";

export interface AuthoritySlotsOptions {
  /** Name of the set. */
  readonly name: string;
  /** Whether the set's authorities are in the domain's own bundle. */
  readonly published: boolean;
  readonly trustDomain: TrustDomain;
  readonly datastore: Datastore;
  readonly keyManager: KeyManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly audit: RotationAudit;
  readonly keyType: KeyType;
  readonly ttlSeconds: number;
  readonly longestTtlSeconds: number;
  readonly marginSeconds: number;
  /** Keys of old authorities stay until those end: they sign revocation lists. */
  readonly keepsOldKeys: boolean;
}

export class AuthoritySlots {
  readonly #options: AuthoritySlotsOptions;
  readonly #rules: AuthorityKindRules;
  #longestTtlSeconds: number;
  #authorities: readonly Authority[];
  #active: Authority | undefined;
  /** Since when the bundle can be had from this server. */
  #servingSince: EpochSeconds;

  private constructor(
    options: AuthoritySlotsOptions,
    rules: AuthorityKindRules,
    authorities: readonly Authority[],
  ) {
    this.#options = options;
    this.#longestTtlSeconds = options.longestTtlSeconds;
    this.#rules = rules;
    this.#authorities = authorities;
    this.#servingSince = epochSeconds(options.clock);
    this.#active = authorities.find(({ record }) => record.status === "active");
  }

  static async load(
    options: AuthoritySlotsOptions,
    rules: AuthorityKindRules,
  ): Promise<AuthoritySlots> {
    const records = await options.datastore.authorities.list(options.name);
    const own = records.filter(({ kind }) => kind === rules.kind);
    const loaded = own.map((record) =>
      loadAuthority(record, options.keyManager, options.keepsOldKeys),
    );
    return new AuthoritySlots(options, rules, await Promise.all(loaded));
  }

  get records(): readonly AuthorityRecord[] {
    return this.#authorities.map(({ record }) => record);
  }

  /** The one that signs. @throws unavailable when it has ended or its key is gone, and no other took over yet */
  active(): Authority & { readonly signer: NonNullable<Authority["signer"]> } {
    const active = this.#active;
    if (active?.signer === undefined || this.#outOfTime(active.record) !== undefined) {
      throw fail(
        "unavailable",
        `no ${this.#rules.noun} of set '${this.#options.name}' can sign now; see the server's log for why none was made`,
      );
    }
    return { ...active, signer: active.signer };
  }

  /** X.509: all that have not ended and whose key is there, old ones too where keys are kept. */
  crlSigners(): readonly CrlSigner[] {
    return this.#authorities.flatMap(({ record, crlSigner: signer, certificate }) =>
      signer === undefined || certificate === undefined || record.notAfter <= this.#now()
        ? []
        : [{ id: record.id, signer, certificate }],
    );
  }

  /** How the present settings rotate a new authority. */
  plan(life: number = this.#options.ttlSeconds): RotationPlan {
    const { marginSeconds: margin } = this.#options;
    return planRotation({ life, longestTtl: this.#longestTtlSeconds, margin });
  }

  /** The longest SVID from now on; the next round acts on it. */
  setLongestTtl(seconds: number): void {
    this.#longestTtlSeconds = seconds;
  }

  /** Makes and publishes the next authority; one that was prepared before steps back to old. @throws limited */
  async prepare(): Promise<AuthorityRecord> {
    if (this.#authorities.length < MAX_AUTHORITIES) {
      const record = await this.#make();
      await this.#audit("prepare", record, { byHand: true });
      return record;
    }
    throw fail(
      "limited",
      `set '${this.#options.name}' holds ${MAX_AUTHORITIES} authorities of this kind; taint and revoke old ones, or wait until they end`,
    );
  }

  /** Lets a prepared authority sign from now on. @throws not_found, precondition */
  async activate(id: string): Promise<AuthorityRecord> {
    const record = await this.#activate(id);
    await this.#audit("activate", record, { byHand: true });
    return record;
  }

  async #activate(id: string): Promise<AuthorityRecord> {
    const next = this.#require(id);
    const { status } = next.record;
    if (status !== "prepared") {
      throw this.#refusal(
        id,
        `is ${status}; only a prepared one can be activated: prepare one first`,
      );
    }
    if (next.signer === undefined) {
      throw this.#refusal(id, "has lost its key; prepare another one and activate that");
    }
    const why = this.#outOfTime(next.record);
    if (why !== undefined) {
      throw this.#refusal(id, `cannot sign (${why}); prepare another one and activate that`);
    }
    const record: AuthorityRecord = { ...next.record, status: "active" };
    const before = this.#withStatus("active").map((authority) => this.#retired(authority));
    await this.#commit({
      put: [...before, { ...next, record }],
      // It is there since it was prepared; should anyone have taken it out, it does not sign without being back.
      publish: (bundle) => this.#rules.addTo(bundle, record),
    });
    this.#log(`${this.#rules.noun} activated`, record);
    return record;
  }

  /** Marks an old authority so that agents drop what it signed; it still verifies. @throws not_found, precondition */
  async taint(id: string): Promise<AuthorityRecord> {
    const authority = this.#require(id);
    const { status, tainted } = authority.record;
    if (status === "active") {
      throw this.#refusal(id, "is active; prepare and activate another one, then taint this one");
    }
    if (status === "prepared") {
      throw this.#refusal(id, "is prepared and signed nothing yet; prepare another one instead");
    }
    if (tainted) throw this.#refusal(id, "is tainted already; revoke it next");
    const record: AuthorityRecord = { ...authority.record, tainted: true };
    await this.#commit({
      put: [{ ...authority, record }],
      publish: (bundle) => this.#rules.taintIn(bundle, record),
    });
    this.#log(`${this.#rules.noun} tainted`, record);
    return record;
  }

  /** Takes a tainted authority out of the bundle and the journal. @throws not_found, precondition */
  async revoke(id: string): Promise<AuthorityRecord> {
    const { record } = this.#require(id);
    if (!record.tainted) {
      const way = record.status === "old" ? "taint it first" : "replace it, then taint it first";
      throw this.#refusal(id, `is ${record.status} and not tainted; ${way}`);
    }
    await this.#commit({ remove: [record] });
    this.#log(`${this.#rules.noun} revoked`, record);
    return record;
  }

  /** One look at the clock: whatever is due by now is done. */
  async rotate(): Promise<void> {
    const active = await this.#ensureActive();
    const plan = this.plan(lifeOf(active));
    const now = this.#now();
    // The clock may have been set back.
    this.#servingSince = Math.min(this.#servingSince, now);
    const times = { now, servingSince: this.#servingSince };
    let next = this.#usablePrepared();
    if (next === undefined && shouldPrepare(plan, active, now)) next = await this.#prepareByClock();
    if (next !== undefined && shouldActivate(plan, active, next, times)) {
      await this.#activateByClock(next.id);
    }
    await this.#prune();
  }

  /** Without the bound: what the clock asks for is few and must not fail for what was done by hand. */
  async #make(): Promise<AuthorityRecord> {
    const { keyManager, name, trustDomain, random, keyType, ttlSeconds } = this.#options;
    const { kind, noun } = this.#rules;
    const now = this.#now();
    const keyName = `${name}.${kind}.${toHex(random.bytes(8))}`;
    const signer = await keyManager.generate(keyName, keyType);
    try {
      const made = await this.#rules.make({ signer, trustDomain, now, ttlSeconds, random });
      const publicKey = toBase64(signer.publicKey);
      const line = { set: name, kind, status: "prepared", tainted: false, createdAt: now } as const;
      const record: AuthorityRecord = { ...line, ...made, keyName, publicKey };
      const superseded = this.#withStatus("prepared").map((authority) => this.#retired(authority));
      const dropped = this.#surplus();
      await this.#commit({
        put: [...superseded, authorityOf(record, signer)],
        remove: dropped,
        publish: (bundle) => this.#rules.addTo(bundle, record),
      });
      this.#log(`${noun} prepared`, record);
      for (const surplus of dropped)
        await this.#audit("prune", surplus, { reason: "there are too many" });
      return record;
    } catch (thrown) {
      await this.#deleteKey(keyName);
      throw thrown;
    }
  }

  async #prepareByClock(reason?: string): Promise<AuthorityRecord> {
    const record = await this.#make();
    await this.#audit("prepare", record, { reason });
    return record;
  }

  async #activateByClock(id: string, reason?: string): Promise<AuthorityRecord> {
    const record = await this.#activate(id);
    await this.#audit("activate", record, { reason });
    return record;
  }

  async #audit(
    step: RotationStep,
    record: AuthorityRecord,
    { reason, byHand = false }: { readonly reason?: string | undefined; byHand?: boolean } = {},
  ): Promise<void> {
    const { kind, id: authorityId, notAfter: expiresAt } = record;
    await this.#options.audit.rotated({
      step,
      kind,
      authorityId,
      expiresAt,
      byHand,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /** After a start, a lost key or a long sleep there may be none that can sign: then one is made at once. */
  async #ensureActive(): Promise<AuthorityRecord> {
    const active = this.#active;
    let why: string | undefined = "there is none yet";
    if (active !== undefined) {
      why = active.signer === undefined ? "its key is gone" : this.#outOfTime(active.record);
      if (why === undefined) return active.record;
      this.#options.logger.warn(`${this.#rules.noun} cannot sign any more; another takes over`, {
        ...logFields(active.record),
        reason: why,
      });
    }
    const reason = active === undefined ? why : `${active.record.id}: ${why}`;
    const next = this.#usablePrepared() ?? (await this.#prepareByClock(reason));
    return this.#activateByClock(next.id, reason);
  }

  /** The prepared one, unless its key is gone or too little of its life is left to be worth activating. */
  #usablePrepared(): AuthorityRecord | undefined {
    const prepared = this.#withStatus("prepared").find(
      ({ record, signer }) =>
        signer !== undefined &&
        this.#outOfTime(record) === undefined &&
        record.notAfter - this.#now() > this.plan(lifeOf(record)).activateAt,
    );
    return prepared?.record;
  }

  /** Those that a server which loses its keys again and again leaves behind must not pile up: the oldest make room. */
  #surplus(): readonly AuthorityRecord[] {
    const old = this.records.filter(({ status }) => status === "old");
    const surplus = old.slice(0, Math.max(0, this.records.length + 1 - MAX_KEPT));
    for (const record of surplus) {
      const message = `${this.#rules.noun} dropped before its end, there are too many`;
      this.#options.logger.warn(message, logFields(record));
    }
    return surplus;
  }

  /** Why it cannot sign now, if so. A clock that was set back leaves authorities of the future behind. */
  #outOfTime({ notBefore, notAfter }: AuthorityRecord): string | undefined {
    const now = this.#now();
    if (notAfter <= now) return "it has ended";
    return notBefore > now + MAX_STEP_BACK ? "it begins in the future" : undefined;
  }

  /** Lets go of what ended long ago. */
  async #prune(): Promise<void> {
    const now = this.#now();
    const remove = this.records.filter(
      (record) =>
        record.status !== "active" && record.notAfter + this.plan(lifeOf(record)).grace <= now,
    );
    if (remove.length === 0) return;
    await this.#commit({ remove });
    for (const record of remove) {
      this.#log(`${this.#rules.noun} ended and pruned`, record);
      await this.#audit("prune", record);
    }
  }

  async #commit(change: SlotsChange): Promise<void> {
    const { datastore, name, published, trustDomain } = this.#options;
    const { put = [], remove = [], publish = same } = change;
    await datastore.transaction(async (writers) => {
      for (const { record } of put) await writers.authorities.put(record);
      for (const { kind, id } of remove) await writers.authorities.delete(name, kind, id);
      if (!published) return;
      await publishOwnBundle(writers.bundles, trustDomain, this.#now(), (bundle) =>
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
    this.#active = this.#withStatus("active")[0];
    for (const { record, crlSigner } of put)
      if (record.status === "old" && crlSigner === undefined) await this.#deleteKey(record.keyName);
    for (const { keyName } of remove) await this.#deleteKey(keyName);
  }

  /** The journal no longer needs the key; one that stays behind is found at the next start. */
  async #deleteKey(keyName: string): Promise<void> {
    try {
      await this.#options.keyManager.delete(keyName);
    } catch (thrown) {
      this.#options.logger.warn("key of an old authority was not deleted", {
        keyName,
        error: thrown,
      });
    }
  }

  /** An authority that has signed its last SVID: it stays in the bundle. */
  #retired(authority: Authority): Authority {
    return {
      ...authority,
      signer: undefined,
      crlSigner: this.#options.keepsOldKeys ? authority.crlSigner : undefined,
      record: { ...authority.record, status: "old" },
    };
  }

  #withStatus(status: AuthorityRecord["status"]): readonly Authority[] {
    return this.#authorities.filter(({ record }) => record.status === status);
  }

  #require(id: string): Authority {
    const authority = this.#authorities.find(({ record }) => record.id === id);
    if (authority !== undefined) return authority;
    const { noun, kind } = this.#rules;
    throw fail(
      "not_found",
      `no ${noun} '${id.slice(0, MAX_SHOWN_ID)}' in set '${this.#options.name}'; \`assay authority ${kind} show\` lists them`,
    );
  }

  #refusal(id: string, why: string): AssayError {
    return fail("precondition", `${this.#rules.noun} ${id} ${why}`);
  }

  #log(message: string, record: AuthorityRecord): void {
    this.#options.logger.info(message, logFields(record));
  }

  #now(): number {
    return epochSeconds(this.#options.clock);
  }
}

interface SlotsChange {
  readonly put?: readonly Authority[];
  readonly remove?: readonly AuthorityRecord[];
  readonly publish?: (bundle: Bundle) => Bundle;
}

function same(bundle: Bundle): Bundle {
  return bundle;
}

function logFields(record: AuthorityRecord): Record<string, unknown> {
  const { set, id, notAfter } = record;
  return { set, authorityId: id, notAfter: new Date(notAfter * 1000).toISOString() };
}

/** By hand, old ones included; rotation by the clock alone holds about twelve. */
const MAX_AUTHORITIES = 64;
/** In all: far above what rotation by the clock and by hand leads to. */
const MAX_KEPT = 128;
const MAX_SHOWN_ID = 64;
/** Seconds that a clock may be set back before its authorities are replaced. */
const MAX_STEP_BACK = 300;
