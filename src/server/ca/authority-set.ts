/**
 * A named authority set: the X.509 and JWT authorities that sign for one purpose, rotated by the clock or by hand.
 * The set `trust-domain` is the domain's own: only its authorities are in the domain's SPIFFE bundle.
 */
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import type { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { RotationAudit } from "../../observe/audit.ts";
import type { Logger } from "../../observe/logger.ts";
import type { JwtAuthority as JwtKey } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import {
  AUTHORITY_KINDS,
  type AuthorityKind,
  type AuthorityRecord,
  type Datastore,
} from "../datastore/contract.ts";
import type { KeyManager } from "../keymanager/contract.ts";
import { OFFLINE, type Upstream, type UpstreamBundle } from "../upstream/contract.ts";
import {
  type CrlSigner,
  type JwtAuthority,
  type X509Authority,
  upstreamIdOf,
} from "./authority.ts";
import { AUTHORITY_RULES, publishKey } from "./authority-kinds.ts";
import { AuthoritySlots } from "./authority-slots.ts";
import { endingLinks, upstreamEnd } from "./ending-links.ts";
import type { LostAuthorities } from "../../spiffe/lost-authorities.ts";
import { type CertificateRequestOf, OfflineRequests } from "./offline-requests.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import { setOption } from "./set-name.ts";
import { rotationLoop } from "./rotation-loop.ts";
import type { RotationPlan } from "./rotation-plan.ts";
import { alternateRootIds } from "./alternate-chains.ts";
import type { AuthoritySlotsOptions } from "./slots-options.ts";
import type { UpstreamRoots } from "./upstream-roots.ts";

export interface AuthorityProfile {
  readonly keyType: KeyType;
  /** Life of a new authority, seconds. */
  readonly ttlSeconds: number;
}

export interface AuthoritySetOptions {
  /** `trust-domain`, or another name of letters, digits and dashes. */
  readonly name: string;
  readonly trustDomain: TrustDomain;
  readonly datastore: Datastore;
  readonly keyManager: KeyManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Who signs its X.509 authorities. */
  readonly upstream: Upstream | typeof OFFLINE;
  /** Told of each step that the clock led to. */
  readonly audit: RotationAudit;
  readonly x509: AuthorityProfile;
  /** Absent: the set signs certificates alone. */
  readonly jwt?: AuthorityProfile | undefined;
  /** The longest SVID any profile signs, seconds: none within it is cut short by an authority's end. */
  readonly longestTtlSeconds: Readonly<Record<AuthorityKind, number>>;
  /** Seconds on top of it, for skew and the time between two rounds. 60 when absent. */
  readonly margin?: number;
  /** Seconds that the next authority's root can be had before it signs; a quarter of an hour when absent. */
  readonly leadSeconds?: number;
  /** Keys of old X.509 authorities stay until those end, to sign revocation lists. Deleted when absent. */
  readonly keepsOldKeys?: boolean;
}

export class AuthoritySet implements AsyncDisposable {
  readonly name: string;
  readonly #options: AuthoritySetOptions;
  readonly #slots: Slots;
  readonly #steps = new Serial();
  readonly #stop: AbortController;
  readonly #requests: OfflineRequests;
  #longestTtlSeconds: AuthoritySetOptions["longestTtlSeconds"];
  #loop: Loop | undefined;
  #warned = "";

  private constructor(options: AuthoritySetOptions, slots: Slots, stop: AbortController) {
    this.name = options.name;
    this.#stop = stop;
    const x509 = slotsOptions(options, "x509", options.x509, stop.signal);
    this.#requests = new OfflineRequests(x509, slots.x509);
    this.#options = options;
    this.#longestTtlSeconds = options.longestTtlSeconds;
    this.#slots = slots;
  }

  /**
   * Loads the journal and does one round, so that both kinds can sign when it resolves; but for X.509 below an offline
   * root before the first import, and where an upstream cannot be reached: that is tried again.
   */
  static async open(options: AuthoritySetOptions): Promise<AuthoritySet> {
    if (!SET_NAME.test(options.name)) {
      throw new TypeError(
        "an authority set's name has 1..64 lower-case letters, digits and dashes",
      );
    }
    const stop = new AbortController();
    const { x509, jwt } = options;
    const slots = {
      x509: await loadSlots(options, "x509", x509, stop.signal),
      jwt: jwt === undefined ? undefined : await loadSlots(options, "jwt", jwt, stop.signal),
    };
    const set = new AuthoritySet(options, slots, stop);
    await set.#deleteOrphans();
    await set.rotate().catch((thrown: unknown) => {
      if (!set.#canGoOnWithout(errorFrom(thrown))) throw thrown;
    });
    set.#warnOfCutSvids();
    return set;
  }

  /** Starts rotation by the clock, a round every ten seconds. */
  start(): void {
    const { clock, random, logger, name } = this.#options;
    this.#loop ??= rotationLoop({
      name: `authorities of ${name}`,
      rotate: () => this.rotate(),
      onRound: () => this.#warn(),
      failed: "rotation of authorities failed",
      clock,
      random,
      logger,
    });
  }

  /** @throws unavailable when none can sign */
  activeX509(): X509Authority {
    const { record, signer, certificate, intermediates, root } = this.#slots.x509.active();
    if (certificate === undefined) throw new TypeError("an X.509 authority has a certificate");
    const { id, notAfter, alternates = [] } = record;
    return {
      id,
      signer,
      certificate,
      chain: intermediates,
      root,
      notAfter,
      alternates: alternates.map((each) => ({
        chain: each.chain.map((der) => Buffer.from(der, "base64")),
        notAfter: each.notAfter,
      })),
    };
  }

  /** @throws unavailable when none can sign */
  activeJwt(): JwtAuthority {
    const { record, signer } = this.#of("jwt").active();
    return { keyId: record.id, signer, notAfter: record.notAfter };
  }

  /** X.509 authorities of the set that are tainted or were revoked; the same object until a change of them. */
  get lost(): LostAuthorities {
    return this.#slots.x509.journal.lost;
  }

  /** X.509 authorities whose revocation lists can be signed now. */
  crlSigners(): readonly CrlSigner[] {
    return this.#slots.x509.journal.crlSigners();
  }

  /** Of both kinds: why the next authority could not be made, while that is so. */
  get troubles(): readonly string[] {
    return this.#all.map(({ trouble }) => trouble).filter((why) => why !== undefined);
  }

  /** Who signs the set's X.509 authorities, for messages and metrics. */
  get upstreamName(): string {
    const { upstream } = this.#options;
    return upstream === OFFLINE ? OFFLINE : upstream.authority.name;
  }

  /** What will end soon and is renewed by nobody but an operator: sentences. */
  warnings(): readonly string[] {
    const { upstream } = this.#options;
    const renewal = upstream === OFFLINE ? undefined : upstream.authority.renewal;
    return endingLinks(this.#slots.x509.journal, {
      name: this.name,
      upstream: this.upstreamName,
      ...(renewal === undefined ? {} : { renewal }),
      longestTtl: this.#longestTtlSeconds.x509,
    });
  }

  /** When the first link of the active X.509 authority's path ends, its own certificate left out. */
  get upstreamNotAfter(): EpochSeconds | undefined {
    return upstreamEnd(this.#slots.x509.journal);
  }

  /** The journal, by creation. */
  records(kind: AuthorityKind): readonly AuthorityRecord[] {
    return this.#slots[kind]?.records ?? [];
  }

  /** DER of what verifiers of its certificates have to trust, from the next authority's root to those that end last. */
  x509Roots(): readonly Uint8Array[] {
    const now = epochSeconds(this.#options.clock);
    return this.records("x509")
      .filter(({ status, notAfter }) => status !== "requested" && notAfter > now)
      .flatMap(({ roots }) => roots.map((root) => Buffer.from(root, "base64")));
  }

  /** When authorities of this kind are replaced, and how long an SVID may be without ever being cut short. */
  plan(kind: AuthorityKind): RotationPlan {
    return this.#of(kind).plan();
  }

  /** The longest SVID of each kind from now on; the next round rotates by it. */
  setLongestTtl(seconds: Readonly<Record<AuthorityKind, number>>): void {
    this.#longestTtlSeconds = seconds;
    for (const kind of AUTHORITY_KINDS) this.#slots[kind]?.setLongestTtl(seconds[kind]);
    this.#warnOfCutSvids();
  }

  /** Makes and publishes the next authority. @throws limited */
  prepare(kind: AuthorityKind): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#of(kind).prepare());
  }

  /** @throws not_found, or precondition when it is not prepared */
  activate(kind: AuthorityKind, id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#of(kind).activate(id));
  }

  /** @throws not_found, or precondition when it is not old */
  taint(kind: AuthorityKind, id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#of(kind).taint(id));
  }

  /** @throws not_found, or precondition when it is not tainted */
  revoke(kind: AuthorityKind, id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#of(kind).revoke(id));
  }

  /** Hex key id of the root above an authority that others signed. */
  upstreamOf(record: AuthorityRecord): string | undefined {
    return upstreamIdOf(record);
  }

  /** Hex key ids of the roots that its other chains lead to. */
  alternateRootsOf(record: AuthorityRecord): string[] {
    return alternateRootIds(record);
  }

  /** Marks an upstream's root and all below it. @throws not_found; conflict while it is in use; precondition */
  taintUpstream(keyId: string): Promise<string> {
    return this.#steps.run(() => this.#upstreamRoots().taint(keyId));
  }

  /** Takes a tainted root of an upstream out of the bundle. @throws as `taintUpstream` */
  revokeUpstream(keyId: string): Promise<string> {
    return this.#steps.run(() => this.#upstreamRoots().revoke(keyId));
  }

  /**
   * Takes over what the upstream says is to be trusted: new roots at once; before one that it tainted is tainted here,
   * an authority below another one takes over.
   * @param isWhole the upstream's bundle is the domain's, so that what it revoked is revoked here
   */
  followUpstream(bundle: UpstreamBundle, isWhole: boolean): Promise<void> {
    return this.#steps.run(async () => {
      const { x509 } = this.#slots;
      await x509.upstreamRoots.add(bundle);
      if (x509.standsBelowTainted()) await x509.rotate();
      if (x509.standsBelowTainted()) {
        throw fail("unavailable", "no authority could take over from the one below a tainted root");
      }
      await x509.upstreamRoots.follow(bundle, isWhole);
    });
  }

  /** Passes on the JWT key of a server below this one, where there is one above it. @throws what the upstream throws */
  async publishUpstream(key: JwtKey): Promise<void> {
    const { upstream, clock } = this.#options;
    if (upstream !== OFFLINE) await publishKey(upstream, key, { clock, signal: this.#stop.signal });
  }

  /** The open request to the offline root, or a new one. @throws precondition, limited */
  requestX509(anew: boolean): Promise<CertificateRequestOf> {
    return this.#steps.run(() => this.#requests.request(anew));
  }

  /**
   * Takes what an offline root signed; it signs at once where none does.
   * @throws precondition, invalid
   */
  importX509(certificates: readonly Uint8Array[]): Promise<AuthorityRecord> {
    return this.#steps.run(async () => {
      const { id } = await this.#requests.import(certificates);
      await this.#slots.x509.rotate();
      return this.#slots.x509.journal.require(id).record;
    });
  }

  /**
   * Takes the other chains that lead to a root from all authorities.
   * @param rootId its hex key id
   * @throws not_found when there is none
   */
  removeX509Chain(rootId: string): Promise<readonly AuthorityRecord[]> {
    return this.#steps.run(() => this.#requests.removeChain(rootId));
  }

  /** One round by the clock: makes, publishes, activates and prunes what is due. */
  rotate(): Promise<void> {
    return this.#steps.run(async () => {
      try {
        await this.#slots.x509.rotate();
      } finally {
        // One kind's trouble is not the other's.
        await this.#slots.jwt?.rotate();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop?.[Symbol.asyncDispose]();
    await this.#steps.idle();
  }

  /** Each time the sentences change, which they do every day. */
  #warn(): void {
    const warnings = this.warnings();
    const text = warnings.join("; ");
    if (text !== this.#warned) {
      for (const warning of warnings) this.#options.logger.warn(warning, { set: this.name });
    }
    this.#warned = text;
  }

  #upstreamRoots(): UpstreamRoots {
    if (this.name !== TRUST_DOMAIN_SET) {
      throw fail(
        "precondition",
        `authority set '${this.name}' is in no bundle: taint and revoke its authorities themselves ('assay authority x509 show${setOption(this.name)}')`,
      );
    }
    if (this.upstreamName !== "self") return this.#slots.x509.upstreamRoots;
    throw fail("precondition", "the server has no upstream authority; its own ones are roots");
  }

  /** @throws precondition for a kind that the set does not have */
  #of(kind: AuthorityKind): AuthoritySlots {
    const slots = this.#slots[kind];
    if (slots !== undefined) return slots;
    throw fail(
      "precondition",
      `authority set '${this.name}' signs certificates alone; tokens are the trust domain's`,
    );
  }

  get #all(): readonly AuthoritySlots[] {
    const { x509, jwt } = this.#slots;
    return jwt === undefined ? [x509] : [x509, jwt];
  }

  /** An upstream that is away must keep no server from what it can do without, nor from waiting for it. */
  #canGoOnWithout(error: AssayError): boolean {
    if (this.upstreamName === "self") return false;
    if (!this.#canSign() && !isKind(error, "unavailable", "deadline")) return false;
    this.#options.logger.error("upstream authority failed; it is asked again", { error });
    return true;
  }

  #canSign(): boolean {
    try {
      for (const slots of this.#all) slots.active();
      return true;
    } catch {
      return false; // that is all there is to know
    }
  }

  /** Keys that a crash left without a journal line, and keys of old authorities. */
  async #deleteOrphans(): Promise<void> {
    const { keyManager, name, logger, keepsOldKeys = false } = this.#options;
    const needed = new Set(
      [...this.records("x509"), ...this.records("jwt")]
        .filter(({ status, kind }) => status !== "old" || (keepsOldKeys && kind === "x509"))
        .map(({ keyName }) => keyName),
    );
    for (const keyName of await keyManager.list()) {
      if (!keyName.startsWith(`${name}.`) || needed.has(keyName)) continue;
      await keyManager.delete(keyName);
      logger.info("key without an authority deleted", { keyName });
    }
  }

  #warnOfCutSvids(): void {
    for (const kind of AUTHORITY_KINDS) {
      if (this.#slots[kind] === undefined) continue;
      const { reach } = this.plan(kind);
      const longest = this.#longestTtlSeconds[kind];
      if (longest <= reach) continue;
      this.#options.logger.warn(
        "longest SVID is beyond the authority's reach and may be cut short",
        {
          set: this.name,
          kind,
          longestSeconds: longest,
          reachSeconds: reach,
        },
      );
    }
  }
}

interface Slots {
  readonly x509: AuthoritySlots;
  readonly jwt: AuthoritySlots | undefined;
}

function loadSlots(
  options: AuthoritySetOptions,
  kind: AuthorityKind,
  profile: AuthorityProfile,
  signal: AbortSignal,
): Promise<AuthoritySlots> {
  return AuthoritySlots.load(slotsOptions(options, kind, profile, signal), AUTHORITY_RULES[kind]);
}

function slotsOptions(
  options: AuthoritySetOptions,
  kind: AuthorityKind,
  { keyType, ttlSeconds }: AuthorityProfile,
  signal: AbortSignal,
): AuthoritySlotsOptions {
  return {
    ...options,
    published: options.name === TRUST_DOMAIN_SET,
    keyType,
    ttlSeconds,
    longestTtlSeconds: options.longestTtlSeconds[kind],
    marginSeconds: options.margin ?? DEFAULT_MARGIN,
    ...(options.leadSeconds === undefined ? {} : { leadSeconds: options.leadSeconds }),
    keepsOldKeys: kind === "x509" && options.keepsOldKeys === true,
    signal,
  };
}

const SET_NAME = /^[a-z0-9-]{1,64}$/;
const DEFAULT_MARGIN = 60;
