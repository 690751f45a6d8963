/**
 * The authorities of WIT-SVIDs: keys of their own, as no key may sign two sorts of SVIDs (WIT-SVID §6.1), rotated as JWT
 * authorities are. They are not in the domain's bundle document, which SPIRE's federation client would then refuse.
 */
import type { Loop } from "../../base/loop.ts";
import { Serial } from "../../base/serial.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import { selfSigned } from "../upstream/self.ts";
import { AUTHORITY_RULES } from "./authority-kinds.ts";
import { AuthoritySlots } from "./authority-slots.ts";
import type { JwtAuthority } from "./authority.ts";
import { WIT_SET } from "../../config/own-sets.ts";
import { rotationLoop } from "./rotation-loop.ts";
import type { AuthoritySlotsOptions } from "./slots-options.ts";

export type WitAuthoritiesOptions = Omit<
  AuthoritySlotsOptions,
  "name" | "published" | "upstream" | "marginSeconds" | "keepsOldKeys" | "signal"
>;

/** A key that WIT-SVIDs are checked with. */
export interface WitKey {
  readonly keyId: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly expiresAt: EpochSeconds;
  readonly tainted: boolean;
}

export class WitAuthorities implements AsyncDisposable {
  readonly #slots: AuthoritySlots;
  readonly #steps = new Serial();
  readonly #stop: AbortController;
  readonly #loop: Loop;

  private constructor(
    slots: AuthoritySlots,
    { clock, random, logger }: WitAuthoritiesOptions,
    stop: AbortController,
  ) {
    this.#slots = slots;
    this.#stop = stop;
    this.#loop = rotationLoop({
      name: "WIT authorities",
      rotate: () => this.#steps.run(() => slots.rotate()),
      failed: "rotation of WIT authorities failed",
      clock,
      random,
      logger,
    });
  }

  /** One can sign when it resolves. */
  static async open(options: WitAuthoritiesOptions): Promise<WitAuthorities> {
    const stop = new AbortController();
    const slots = await AuthoritySlots.load(
      {
        ...options,
        name: WIT_SET,
        published: false,
        upstream: selfSigned(options.random),
        marginSeconds: MARGIN_SECONDS,
        keepsOldKeys: false,
        signal: stop.signal,
      },
      { ...AUTHORITY_RULES.jwt, noun: "WIT authority", word: "wit" },
    );
    await deleteOrphans(slots, options);
    await slots.rotate();
    return new WitAuthorities(slots, options, stop);
  }

  /** @throws unavailable when none can sign */
  active(): JwtAuthority {
    const { record, signer } = this.#slots.active();
    return { keyId: record.id, signer, notAfter: record.notAfter };
  }

  /** All that may have signed a WIT-SVID that is alive, and the next one. */
  keys(): readonly WitKey[] {
    return this.#slots.records.map(({ id, publicKey, notAfter, tainted }) => ({
      keyId: id,
      publicKey: Buffer.from(publicKey, "base64"),
      expiresAt: notAfter,
      tainted,
    }));
  }

  /** The journal, by creation. */
  records(): readonly AuthorityRecord[] {
    return this.#slots.records;
  }

  /** @throws limited */
  prepare(): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots.prepare());
  }

  /** @throws not_found, precondition */
  activate(id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots.activate(id));
  }

  /** @throws not_found, precondition */
  taint(id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots.taint(id));
  }

  /** @throws not_found, precondition */
  revoke(id: string): Promise<AuthorityRecord> {
    return this.#steps.run(() => this.#slots.revoke(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop[Symbol.asyncDispose]();
    await this.#steps.idle();
  }
}

/** Keys that a crash left without a journal line. */
async function deleteOrphans(
  slots: AuthoritySlots,
  { keyManager, logger }: WitAuthoritiesOptions,
): Promise<void> {
  const needed = new Set(
    slots.records.filter(({ status }) => status !== "old").map(({ keyName }) => keyName),
  );
  for (const keyName of await keyManager.list()) {
    if (!keyName.startsWith(`${WIT_SET}.`) || needed.has(keyName)) continue;
    await keyManager.delete(keyName);
    logger.info("key without an authority deleted", { keyName });
  }
}

const MARGIN_SECONDS = 60;
