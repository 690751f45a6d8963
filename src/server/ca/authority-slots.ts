/**
 * The slots of one kind of authority (X.509 or JWT) in one set.
 *
 * An authority is prepared (published, not signing), then active (the only one that signs), then old (published until
 * it ends, its key deleted). Only an old one may be tainted, only a tainted one revoked.
 */
import { toBase64, toHex } from "../../base/bytes.ts";
import { type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { RotationStep } from "../../observe/audit.ts";
import type { AuthorityKind, AuthorityRecord } from "../datastore/contract.ts";
import { OFFLINE } from "../upstream/contract.ts";
import { type Authority, authorityOf } from "./authority.ts";
import { AuthorityJournal, logFields } from "./authority-journal.ts";
import type { AuthorityKindRules } from "./authority-kinds.ts";
import { Retries } from "./retries.ts";
import { setOption, setWords } from "./set-name.ts";
import type { AuthoritySlotsOptions } from "./slots-options.ts";
import { UpstreamRoots } from "./upstream-roots.ts";
import {
  type RotationPlan,
  lifeOf,
  planRotation,
  shouldActivate,
  shouldPrepare,
} from "./rotation-plan.ts";

export class AuthoritySlots {
  readonly #options: AuthoritySlotsOptions;
  readonly #rules: AuthorityKindRules;
  readonly #journal: AuthorityJournal;
  readonly #upstreamRoots: UpstreamRoots;
  readonly #retries: Retries;
  #longestTtlSeconds: number;
  /** Since when the bundle can be had from this server. */
  #servingSince: EpochSeconds;

  private constructor(
    options: AuthoritySlotsOptions,
    rules: AuthorityKindRules,
    journal: AuthorityJournal,
  ) {
    this.#options = options;
    this.#longestTtlSeconds = options.longestTtlSeconds;
    this.#rules = rules;
    this.#journal = journal;
    this.#upstreamRoots = new UpstreamRoots(journal);
    this.#retries = new Retries(options);
    this.#servingSince = epochSeconds(options.clock);
  }

  static async load(
    options: AuthoritySlotsOptions,
    rules: AuthorityKindRules,
  ): Promise<AuthoritySlots> {
    return new AuthoritySlots(options, rules, await AuthorityJournal.load(options, rules));
  }

  get journal(): AuthorityJournal {
    return this.#journal;
  }

  /** What the upstream's roots mean for this kind; for X.509 alone. */
  get upstreamRoots(): UpstreamRoots {
    return this.#upstreamRoots;
  }

  /** Whether the upstream tainted the root above the active one. */
  standsBelowTainted(): boolean {
    const { active } = this.#journal;
    return active !== undefined && this.#upstreamRoots.isTainted(active.record);
  }

  /** Why the next one could not be made, while that is so. */
  get trouble(): string | undefined {
    return this.#retries.trouble;
  }

  get records(): readonly AuthorityRecord[] {
    return this.#journal.records;
  }

  /** The one that signs. @throws unavailable when it has ended or its key is gone, and no other took over yet */
  active(): Authority & { readonly signer: NonNullable<Authority["signer"]> } {
    const { active } = this.#journal;
    if (active?.signer === undefined || this.#outOfTime(active.record) !== undefined) {
      const { noun } = this.#rules;
      const next = this.#isOffline
        ? `have a request signed and import it: 'assay authority x509 csr${setOption(this.#options.name)}' begins`
        : "see the server's log for why none was made";
      throw fail(
        "unavailable",
        `no ${noun} of ${setWords(this.#options.name)} can sign now; ${next}`,
      );
    }
    return { ...active, signer: active.signer };
  }

  /** How the present settings rotate a new authority. */
  plan(life: number = this.#options.ttlSeconds): RotationPlan {
    const { marginSeconds: margin, leadSeconds: lead } = this.#options;
    const longestTtl = this.#longestTtlSeconds;
    return planRotation({ life, longestTtl, margin, ...(lead === undefined ? {} : { lead }) });
  }

  /** The longest SVID from now on; the next round acts on it. */
  setLongestTtl(seconds: number): void {
    this.#longestTtlSeconds = seconds;
  }

  /**
   * Makes and publishes the next authority; one that was prepared before steps back to old.
   * @throws limited; what the upstream throws
   */
  async prepare(): Promise<AuthorityRecord> {
    this.requireRoom();
    const record = await this.#make();
    await this.#audit("prepare", record, { byHand: true });
    return record;
  }

  /** For what is asked for by hand. @throws limited */
  requireRoom(): void {
    if (this.records.length < MAX_AUTHORITIES) return;
    throw fail(
      "limited",
      `${setWords(this.#options.name)} holds ${MAX_AUTHORITIES} authorities of this kind; taint and revoke old ones, or wait until they end`,
    );
  }

  /** Lets a prepared authority sign from now on. @throws not_found, precondition */
  async activate(id: string): Promise<AuthorityRecord> {
    const record = await this.#activate(id);
    await this.#audit("activate", record, { byHand: true });
    return record;
  }

  async #activate(id: string): Promise<AuthorityRecord> {
    const journal = this.#journal;
    const next = journal.require(id);
    const { status } = next.record;
    if (status !== "prepared") {
      throw journal.refusal(
        id,
        `is ${status}; only a prepared one can be activated: prepare one first`,
      );
    }
    if (next.signer === undefined) {
      throw journal.refusal(id, "has lost its key; prepare another one and activate that");
    }
    const why = this.#outOfTime(next.record);
    if (why !== undefined) {
      throw journal.refusal(id, `cannot sign (${why}); prepare another one and activate that`);
    }
    const record: AuthorityRecord = { ...next.record, status: "active" };
    const before = journal.withStatus("active").map((authority) => journal.retired(authority));
    await journal.commit({
      put: [...before, { ...next, record }],
      // It is there since it was prepared; should anyone have taken it out, it does not sign without being back.
      publish: (bundle) =>
        this.#rules.addTo(bundle, { ...record, roots: record.roots.slice(0, 1) }),
    });
    journal.log("activated", record);
    return record;
  }

  /** Marks an old authority so that agents drop what it signed; it still verifies. @throws not_found, precondition */
  async taint(id: string): Promise<AuthorityRecord> {
    const journal = this.#journal;
    const authority = journal.require(id);
    const { status, tainted } = authority.record;
    if (status === "active") {
      throw journal.refusal(id, "is active; prepare and activate another one, then taint this one");
    }
    if (status !== "old") {
      throw journal.refusal(id, `is ${status} and signed nothing yet; prepare another one instead`);
    }
    if (tainted) throw journal.refusal(id, "is tainted already; revoke it next");
    this.#requireRoot(authority);
    const record: AuthorityRecord = { ...authority.record, tainted: true };
    await journal.commit({
      put: [{ ...authority, record }],
      publish: (bundle) => this.#rules.taintIn(bundle, record),
    });
    journal.log("tainted", record);
    return record;
  }

  /** Takes a tainted authority out of the bundle and the journal. @throws not_found, precondition */
  async revoke(id: string): Promise<AuthorityRecord> {
    const journal = this.#journal;
    const authority = journal.require(id);
    const { record } = authority;
    if (!record.tainted) {
      const way = record.status === "old" ? "taint it first" : "replace it, then taint it first";
      throw journal.refusal(id, `is ${record.status} and not tainted; ${way}`);
    }
    this.#requireRoot(authority);
    const { kind, notAfter } = record;
    await journal.commit({ remove: [record], revoke: [{ kind, id, notAfter }] });
    journal.log("revoked", record);
    return record;
  }

  /** One look at the clock: whatever is due by now is done. */
  async rotate(): Promise<void> {
    const active = await this.#ensureActive();
    if (active === undefined) return this.#prune();
    const plan = this.plan(lifeOf(active));
    const now = this.#journal.now;
    // The clock may have been set back.
    this.#servingSince = Math.min(this.#servingSince, now);
    const times = { now, servingSince: this.#servingSince };
    const mustLeave = this.standsBelowTainted();
    let next = this.#usablePrepared();
    if (next === undefined && (mustLeave || shouldPrepare(plan, active, now))) {
      next = await this.#succeed(active, mustLeave);
    }
    const isDue = this.#mustWait
      ? shouldActivate(plan, active, next ?? active, times)
      : active.notAfter - now <= plan.activateAt;
    if (next !== undefined && (mustLeave || isDue)) {
      const reason = mustLeave ? "the upstream authority tainted its root" : undefined;
      await this.#activateByClock(next.id, reason);
    }
    await this.#prune();
  }

  /** The active one's successor; `undefined` while nothing can be made and there is time. */
  async #succeed(
    active: AuthorityRecord,
    mustLeave: boolean,
  ): Promise<AuthorityRecord | undefined> {
    if (this.#isOffline || !(mustLeave || this.#retries.isDue())) return undefined;
    return this.#prepareByClock(
      mustLeave ? "the upstream authority tainted its root" : undefined,
      mustLeave ? undefined : active,
    );
  }

  /**
   * Without the bound: what the clock asks for is few and must not fail for what was done by hand.
   * @param before has to end earlier
   */
  async #make(before?: AuthorityRecord): Promise<AuthorityRecord> {
    const { keyManager, name, published, upstream, signal, keyType, ttlSeconds } = this.#options;
    const { kind } = this.#rules;
    const createdAt = this.#journal.now;
    const keyName = newKeyName(this.#options, kind);
    const signer = await keyManager.generate(keyName, keyType);
    try {
      const { trustDomain, random, clock } = this.#options;
      const made = await this.#rules.make({
        signer,
        trustDomain,
        ...(published ? {} : { set: name }),
        now: createdAt,
        ttlSeconds,
        random,
        upstream,
        clock,
        signal,
      });
      if (before !== undefined && made.notAfter <= before.notAfter) throw noGain(this.#rules.noun);
      const publicKey = toBase64(signer.publicKey);
      const line = { set: name, kind, status: "prepared", tainted: false, createdAt } as const;
      const record: AuthorityRecord = { ...line, ...made, keyName, publicKey };
      await this.admit(authorityOf(record, signer));
      return record;
    } catch (thrown) {
      await this.#journal.deleteKey(keyName);
      throw thrown;
    }
  }

  /**
   * Publishes a prepared authority. What was prepared before steps back to old.
   * @param requested its line until now, when its certificate gave it another id
   */
  async admit(prepared: Authority, requested?: AuthorityRecord): Promise<void> {
    const journal = this.#journal;
    const { record } = prepared;
    const superseded = journal
      .withStatus("prepared")
      .map((authority) => journal.retired(authority));
    const dropped = this.#surplus();
    await journal.commit({
      put: [...superseded, prepared],
      remove:
        requested === undefined || requested.id === record.id ? dropped : [...dropped, requested],
      publish: (bundle) => this.#rules.addTo(bundle, record),
    });
    this.#retries.succeeded();
    journal.log("prepared", record);
    for (const surplus of dropped)
      await this.#audit("prune", surplus, { reason: "there are too many" });
  }

  async #prepareByClock(reason?: string, before?: AuthorityRecord): Promise<AuthorityRecord> {
    const record = await this.#retries.watch(() => this.#make(before));
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
    const { published, name } = this.#options;
    await this.#options.audit.rotated({
      step,
      kind,
      // Tokens of another sort have slots of their own, and are the trust domain's all the same.
      ...(published || kind === "jwt" ? {} : { authoritySet: name }),
      authorityId,
      expiresAt,
      byHand,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /**
   * After a start, a lost key or a long sleep there may be none that can sign: then one is made at once.
   * @returns undefined while an operator has to bring one
   */
  async #ensureActive(): Promise<AuthorityRecord | undefined> {
    const { active } = this.#journal;
    let why: string | undefined = "there is none yet";
    if (active !== undefined) {
      why = active.signer === undefined ? "its key is gone" : this.#outOfTime(active.record);
      if (why === undefined) return active.record;
    }
    const usable = this.#usablePrepared();
    if (usable === undefined && this.#isOffline) return undefined;
    if (active !== undefined) {
      this.#options.logger.warn(`${this.#rules.noun} cannot sign any more; another takes over`, {
        ...logFields(active.record),
        reason: why,
      });
    }
    const reason = active === undefined ? why : `${active.record.id}: ${why}`;
    const next = usable ?? (await this.#prepareByClock(reason));
    return this.#activateByClock(next.id, reason);
  }

  /** The prepared one, unless its key is gone, its root tainted or too little of its life left to be worth activating. */
  #usablePrepared(): AuthorityRecord | undefined {
    const { now } = this.#journal;
    const prepared = this.#journal
      .withStatus("prepared")
      .find(
        ({ record, signer }) =>
          signer !== undefined &&
          this.#outOfTime(record) === undefined &&
          !this.#upstreamRoots.isTainted(record) &&
          record.notAfter - now > this.plan(lifeOf(record)).activateAt,
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
    const { now } = this.#journal;
    if (notAfter <= now) return "it has ended";
    return notBefore > now + MAX_STEP_BACK ? "it begins in the future" : undefined;
  }

  /** Lets go of what ended long ago. A request is its operator's to give up. */
  async #prune(): Promise<void> {
    const { now } = this.#journal;
    const remove = this.records.filter(
      (record) =>
        record.status !== "active" &&
        record.status !== "requested" &&
        record.notAfter + this.plan(lifeOf(record)).grace <= now,
    );
    if (remove.length === 0) return;
    await this.#journal.commit({ remove });
    for (const record of remove) {
      this.#journal.log("ended and pruned", record);
      await this.#audit("prune", record);
    }
  }

  /** An authority that others signed is in no bundle: its root is. */
  #requireRoot({ record, intermediates }: Authority): void {
    // What is in no bundle can be taken out of the journal whoever signed it.
    if (intermediates.length === 0 || !this.#options.published) return;
    throw this.#journal.refusal(
      record.id,
      "is signed by an upstream authority; taint and revoke that with --upstream, or replace SVIDs with 'assay agents rotate --all'",
    );
  }

  /** A root that nobody has yet must be had first; below one that is trusted already, nothing has. */
  get #mustWait(): boolean {
    const { published, upstream } = this.#options;
    return published || (upstream !== OFFLINE && upstream.authority.name === "self");
  }

  get #isOffline(): boolean {
    return this.#rules.kind === "x509" && this.#options.upstream === OFFLINE;
  }
}

/** Of a key that no other authority of the set has. */
export function newKeyName(
  { name, random }: Pick<AuthoritySlotsOptions, "name" | "random">,
  kind: AuthorityKind,
): string {
  return `${name}.${kind}.${toHex(random.bytes(8))}`;
}

function noGain(noun: string): Error {
  return fail(
    "precondition",
    `the next ${noun} would end no later than the active one, as the upstream authority itself ends; renew that`,
  );
}

/** By hand, old ones included; rotation by the clock alone holds about twelve. */
const MAX_AUTHORITIES = 64;
/** In all: far above what rotation by the clock and by hand leads to. */
const MAX_KEPT = 128;
/** Seconds that a clock may be set back before its authorities are replaced. */
const MAX_STEP_BACK = 300;
