/**
 * A named authority set: the X.509 and JWT authorities that sign for one purpose, rotated by the clock or by hand.
 * The set `trust-domain` is the domain's own: only its authorities are in the domain's SPIFFE bundle.
 */
import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { RotationAudit } from "../../observe/audit.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { AuthorityKind, AuthorityRecord, Datastore } from "../datastore/contract.ts";
import type { KeyManager } from "../keymanager/contract.ts";
import type { CrlSigner, JwtAuthority, X509Authority } from "./authority.ts";
import { AUTHORITY_KINDS } from "./authority-kinds.ts";
import { AuthoritySlots } from "./authority-slots.ts";
import { ClockWatch } from "./clock-watch.ts";
import type { RotationPlan } from "./rotation-plan.ts";

/** The set whose authorities are in the domain's own bundle. */
export const TRUST_DOMAIN_SET = "trust-domain";

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
  /** Told of each step that the clock led to. */
  readonly audit: RotationAudit;
  readonly x509: AuthorityProfile;
  readonly jwt: AuthorityProfile;
  /** The longest SVID any profile signs, seconds: none within it is cut short by an authority's end. */
  readonly longestTtlSeconds: Readonly<Record<AuthorityKind, number>>;
  /** Seconds on top of it, for skew and the time between two rounds. 60 when absent. */
  readonly margin?: number;
  /** Keys of old X.509 authorities stay until those end, to sign revocation lists. Deleted when absent. */
  readonly keepsOldKeys?: boolean;
}

export class AuthoritySet implements AsyncDisposable {
  readonly name: string;
  readonly #options: AuthoritySetOptions;
  readonly #slots: Readonly<Record<AuthorityKind, AuthoritySlots>>;
  readonly #steps = new Serial();
  #longestTtlSeconds: AuthoritySetOptions["longestTtlSeconds"];
  #loop: Loop | undefined;

  private constructor(
    options: AuthoritySetOptions,
    slots: Readonly<Record<AuthorityKind, AuthoritySlots>>,
  ) {
    this.name = options.name;
    this.#options = options;
    this.#longestTtlSeconds = options.longestTtlSeconds;
    this.#slots = slots;
  }

  /** Loads the journal and does one round, so that both kinds can sign when it resolves. */
  static async open(options: AuthoritySetOptions): Promise<AuthoritySet> {
    if (!SET_NAME.test(options.name)) {
      throw new TypeError(
        "an authority set's name has 1..64 lower-case letters, digits and dashes",
      );
    }
    const slots = {
      x509: await loadSlots(options, "x509"),
      jwt: await loadSlots(options, "jwt"),
    };
    const set = new AuthoritySet(options, slots);
    await set.#deleteOrphans();
    await set.rotate();
    set.#warnOfCutSvids();
    return set;
  }

  /** Starts rotation by the clock, a round every ten seconds. */
  start(): void {
    const { clock, random, logger, name } = this.#options;
    const watch = new ClockWatch(clock, logger);
    let waitedMs = 0;
    this.#loop ??= new Loop({
      name: `authorities of ${name}`,
      clock,
      random,
      round: async () => {
        const isSteady = watch.isSteady(waitedMs);
        waitedMs = ROUND_MS;
        if (isSteady) await this.rotate();
        return ROUND_MS;
      },
      backoff: { baseMs: 1000, maxMs: ROUND_MS, jitter: 0.2 },
      onError: (error, retryMs) =>
        logger.error("rotation of authorities failed", { error, retryMs }),
    });
  }

  /** @throws unavailable when none can sign */
  activeX509(): X509Authority {
    const { record, signer, certificate, intermediates } = this.#slots.x509.active();
    if (certificate === undefined) throw new TypeError("an X.509 authority has a certificate");
    return { id: record.id, signer, certificate, chain: intermediates, notAfter: record.notAfter };
  }

  /** @throws unavailable when none can sign */
  activeJwt(): JwtAuthority {
    const { record, signer } = this.#slots.jwt.active();
    return { keyId: record.id, signer, notAfter: record.notAfter };
  }

  /** X.509 authorities whose revocation lists can be signed now. */
  crlSigners(): readonly CrlSigner[] {
    return this.#slots.x509.crlSigners();
  }

  /** The journal, by creation. */
  records(kind: AuthorityKind): readonly AuthorityRecord[] {
    return this.#slots[kind].records;
  }

  /** When authorities of this kind are replaced, and how long an SVID may be without ever being cut short. */
  plan(kind: AuthorityKind): RotationPlan {
    return this.#slots[kind].plan();
  }

  /** The longest SVID of each kind from now on; the next round rotates by it. */
  setLongestTtl(seconds: Readonly<Record<AuthorityKind, number>>): void {
    this.#longestTtlSeconds = seconds;
    for (const kind of ["x509", "jwt"] as const) this.#slots[kind].setLongestTtl(seconds[kind]);
    this.#warnOfCutSvids();
  }

  /** Makes and publishes the next authority. @throws limited */
  prepare(kind: AuthorityKind): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots[kind].prepare());
  }

  /** @throws not_found, or precondition when it is not prepared */
  activate(kind: AuthorityKind, id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots[kind].activate(id));
  }

  /** @throws not_found, or precondition when it is not old */
  taint(kind: AuthorityKind, id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots[kind].taint(id));
  }

  /** @throws not_found, or precondition when it is not tainted */
  revoke(kind: AuthorityKind, id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots[kind].revoke(id));
  }

  /** One round by the clock: makes, publishes, activates and prunes what is due. */
  rotate(): Promise<void> {
    return this.#steps.run(async () => {
      try {
        await this.#slots.x509.rotate();
      } finally {
        // One kind's trouble is not the other's.
        await this.#slots.jwt.rotate();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop?.[Symbol.asyncDispose]();
    await this.#steps.idle();
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
    for (const kind of ["x509", "jwt"] as const) {
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

function loadSlots(options: AuthoritySetOptions, kind: AuthorityKind): Promise<AuthoritySlots> {
  const { keyType, ttlSeconds } = options[kind];
  return AuthoritySlots.load(
    {
      ...options,
      published: options.name === TRUST_DOMAIN_SET,
      keyType,
      ttlSeconds,
      longestTtlSeconds: options.longestTtlSeconds[kind],
      marginSeconds: options.margin ?? DEFAULT_MARGIN,
      keepsOldKeys: kind === "x509" && options.keepsOldKeys === true,
    },
    AUTHORITY_KINDS[kind],
  );
}

const SET_NAME = /^[a-z0-9-]{1,64}$/;
const ROUND_MS = 10_000;
const DEFAULT_MARGIN = 60;
