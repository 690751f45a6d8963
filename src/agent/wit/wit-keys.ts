import type { Clock } from "../../base/clock.ts";
import { jwkFromSpki } from "../../jwt/jwk.ts";

/** A key of the own trust domain that WIT-SVIDs are checked with. */
export interface WitKey {
  readonly keyId: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly tainted: boolean;
}

export interface WitKeysOptions {
  readonly clock: Clock;
  /** Asks the server. */
  readonly fetch: () => Promise<readonly WitKey[]>;
}

export interface WitKeySet {
  /** A JWK Set, as in a SPIFFE bundle (WIT-SVID §6). */
  readonly document: string;
  /** Of keys whose SVIDs are to go on. */
  readonly keyIds: ReadonlySet<string>;
}

/** The keys as the server had them at most a minute ago, or when it last answered. */
export class WitKeys {
  readonly #options: WitKeysOptions;
  #held: { readonly set: WitKeySet; readonly atMs: number } | undefined;
  #pending: Promise<WitKeySet> | undefined;

  constructor(options: WitKeysOptions) {
    this.#options = options;
  }

  /** @throws what the server says when it never answered */
  async current(): Promise<WitKeySet> {
    const held = this.#held;
    const age = this.#options.clock.nowMs() - (held?.atMs ?? 0);
    if (held !== undefined && age >= 0 && age < WIT_KEYS_HOLD_MS) return held.set;
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = undefined;
    });
    if (held === undefined) return this.#pending;
    return this.#pending.catch(() => held.set);
  }

  async #fetch(): Promise<WitKeySet> {
    const keys = await this.#options.fetch();
    const set = {
      document: JSON.stringify({
        keys: keys.map(({ keyId, publicKey }) => ({
          use: "wit-svid",
          kid: keyId,
          ...jwkFromSpki(publicKey),
        })),
      }),
      keyIds: new Set(keys.filter(({ tainted }) => !tainted).map(({ keyId }) => keyId)),
    };
    this.#held = { set, atMs: this.#options.clock.nowMs() };
    return set;
  }
}

export const WIT_KEYS_HOLD_MS = 60_000;
