import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail, isKind } from "../../base/errors.ts";
import { LruMap } from "../../base/lru.ts";
import type { Random } from "../../base/random.ts";
import type { Entry } from "./entry.ts";
import { tokenVersion } from "./members.ts";
import { handedOutUntil } from "./svid-store.ts";

/** A JWT-SVID as the server signed it. A bearer token: never logged. */
export interface JwtSvid {
  readonly spiffeId: string;
  readonly token: string;
  readonly keyId: string;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

export interface JwtCacheOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly max: number;
  /** Asks the server; bounded in time by itself. */
  readonly sign: (entry: Entry, audience: readonly string[]) => Promise<JwtSvid>;
}

interface Cached {
  readonly svid: JwtSvid;
  renewAtMs: number;
}

/**
 * JWT-SVIDs by entry and sorted audiences, since an entry may have claims of its own that nobody tells the agent:
 * served while more than half of their life is left, then made anew; while the server is away, served until they
 * expire. Equal requests at the same time are one request to the server.
 */
export class JwtCache {
  readonly #options: JwtCacheOptions;
  readonly #cached: LruMap<string, Cached>;
  readonly #pending = new Map<string, Promise<JwtSvid>>();

  constructor(options: JwtCacheOptions) {
    this.#options = options;
    this.#cached = new LruMap(options.max);
  }

  /** Another bound from now on. */
  resize(max: number): void {
    this.#cached.resize(max);
  }

  get size(): number {
    return this.#cached.size;
  }

  /** A token that `fetch` would serve without asking anybody. */
  held(entry: Entry, audience: readonly string[]): JwtSvid | undefined {
    // Each of these tokens is to be unique (`jti`): none is ever handed out twice.
    if (entry.jwtSvidIncludeJti) return undefined;
    const cached = this.#cached.get(keyOf(entry, audience));
    if (cached === undefined) return undefined;
    return this.#options.clock.nowMs() < cached.renewAtMs ? cached.svid : undefined;
  }

  /** @throws what `sign` throws when no unexpired token is left to serve */
  async fetch(entry: Entry, audience: readonly string[]): Promise<JwtSvid> {
    const held = this.held(entry, audience);
    if (held !== undefined) return held;
    if (entry.jwtSvidIncludeJti) return this.#options.sign(entry, audience);
    const key = keyOf(entry, audience);
    const cached = this.#cached.get(key);
    try {
      return await this.#sign(key, entry, audience);
    } catch (error) {
      const isLive =
        cached !== undefined && handedOutUntil(cached.svid) > epochSeconds(this.#options.clock);
      // A refusal is an answer; only a server that cannot answer is stood in for.
      if (isLive && isKind(error, "unavailable", "deadline", "limited", "internal")) {
        return cached.svid;
      }
      throw error;
    }
  }

  /** Drops every token that none of these keys signed: its key is tainted or revoked. */
  retain(keyIds: ReadonlySet<string>): void {
    for (const [key, { svid }] of this.#cached.entries()) {
      if (!keyIds.has(svid.keyId)) this.#cached.delete(key);
    }
  }

  /** Has tokens of these SPIFFE IDs signed anew when they are asked for next. */
  outdate(spiffeIds: ReadonlySet<string> | "all"): void {
    for (const cached of this.#cached.values()) {
      if (spiffeIds === "all" || spiffeIds.has(cached.svid.spiffeId)) cached.renewAtMs = 0;
    }
  }

  #sign(key: string, entry: Entry, audience: readonly string[]): Promise<JwtSvid> {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(fail("limited", "too many JWT-SVIDs are being signed; retry"));
    }
    const signing = this.#options.sign(entry, audience).then((svid) => {
      this.#cached.set(key, { svid, renewAtMs: this.#renewAtMs(svid) });
      return svid;
    });
    this.#pending.set(key, signing);
    const settled = (): void => void this.#pending.delete(key);
    signing.then(settled, settled);
    return signing;
  }

  /** Half of its life, give or take a tenth of that. */
  #renewAtMs({ issuedAt, expiresAt }: JwtSvid): number {
    const lifeMs = (expiresAt - issuedAt) * 1000;
    return expiresAt * 1000 - (lifeMs / 2) * (0.9 + 0.2 * this.#options.random.unit());
  }
}

function keyOf(entry: Entry, audience: readonly string[]): string {
  return `${tokenVersion(entry)} ${audienceKey(audience)}`;
}

/** Most ask for one alone. */
function audienceKey(audience: readonly string[]): string {
  const each = audience.length === 1 ? audience : [...new Set(audience)].sort();
  return each.map((name) => JSON.stringify(name)).join();
}

const MAX_PENDING = 10_000;
