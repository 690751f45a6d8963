/** WIT-SVIDs with their keys, by entry: made when a workload first asks, shared by its streams, renewed at half life. */
import { createPrivateKey } from "node:crypto";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { LruMap } from "../../base/lru.ts";
import { signingAlgorithm } from "../../jwt/compact.ts";
import { decodeJwsObject } from "../../jwt/jws-parts.ts";
import { jwkFromSpki } from "../../jwt/jwk.ts";
import type { KeyType } from "../../keys/contract.ts";
import { generateKey } from "../../keys/software-signer.ts";
import type { Entry } from "./entry.ts";
import { tokenVersion } from "./members.ts";

/** What the server signs. */
export interface WitOrder {
  readonly entryId: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly algorithm: string;
}

export interface SignedWit {
  readonly token: string;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

export interface HeldWit extends SignedWit {
  /** Private JWK, JSON: for the workload alone. */
  readonly key: string;
  readonly keyId: string;
  /** When there is to be another one, milliseconds since 1970. */
  readonly renewAtMs: number;
}

export interface WitStoreOptions {
  readonly keyType: KeyType;
  readonly clock: Clock;
  readonly sign: (order: WitOrder) => Promise<SignedWit>;
}

export class WitStore {
  readonly #options: WitStoreOptions;
  readonly #held = new LruMap<string, HeldWit>(MAX_HELD);
  readonly #pending = new Map<string, Promise<HeldWit>>();

  constructor(options: WitStoreOptions) {
    this.#options = options;
  }

  /**
   * One that is alive, a new one when half of its life is over or none of `keyIds` signed it.
   * @throws what the server says when there is none to go on with
   */
  async get(entry: Entry, keyIds: ReadonlySet<string>): Promise<HeldWit> {
    const { clock } = this.#options;
    const name = tokenVersion(entry);
    const held = this.#held.get(name);
    const isGood = held !== undefined && keyIds.has(held.keyId);
    if (isGood && clock.nowMs() < held.renewAtMs) return held;
    try {
      return await this.#renew(name, entry);
    } catch (thrown) {
      if (!isGood || held.expiresAt <= epochSeconds(clock)) throw thrown;
      return { ...held, renewAtMs: clock.nowMs() + RETRY_MS };
    }
  }

  #renew(name: string, entry: Entry): Promise<HeldWit> {
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    const making = this.#make(entry).then((made) => {
      this.#held.set(name, made);
      return made;
    });
    this.#pending.set(name, making);
    const settled = (): void => void this.#pending.delete(name);
    making.then(settled, settled);
    return making;
  }

  async #make(entry: Entry): Promise<HeldWit> {
    const { keyType, sign } = this.#options;
    const { signer, pkcs8 } = await generateKey(keyType);
    const algorithm = signingAlgorithm(keyType);
    const signed = await sign({ entryId: entry.id, publicKey: signer.publicKey, algorithm });
    const keyId = checkWit(signed.token, entry.spiffeId, signer.publicKey);
    const life = signed.expiresAt - signed.issuedAt;
    return {
      ...signed,
      key: privateJwk(pkcs8, algorithm),
      keyId,
      renewAtMs: (signed.expiresAt - life / 2) * 1000,
    };
  }
}

/** @returns the `kid`. @throws internal when it is for another ID or key */
function checkWit(token: string, spiffeId: string, publicKey: Uint8Array): string {
  const [head = "", body = ""] = token.split(".", 3);
  const { kid, typ } = decodeJwsObject(head, "header");
  const { sub, cnf } = decodeJwsObject(body, "claims");
  const { jwk } = (cnf ?? {}) as { readonly jwk?: Readonly<Record<string, unknown>> };
  const own = Object.entries(jwkFromSpki(publicKey));
  if (typ !== "wit+jwt" || typeof kid !== "string" || sub !== spiffeId) {
    throw fail("internal", "the server signed another thing than a wit-svid of the entry");
  }
  if (!own.every(([name, value]) => jwk?.[name] === value)) {
    throw fail("internal", "the server signed another key than the workload's");
  }
  return kid;
}

/** RFC 7517, with `alg`, as the Workload API hands it out. */
function privateJwk(pkcs8: Uint8Array, alg: string): string {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  return JSON.stringify({ ...key.export({ format: "jwk" }), alg });
}

const MAX_HELD = 1000;
const RETRY_MS = 10_000;
