import type { EpochSeconds } from "../../base/clock.ts";
import { type Entry, compareEntries, entryVersion, hasSameSvid } from "./entry.ts";

/** An X.509-SVID made ahead for one entry. Holds a private key: it goes to workloads that match and nowhere else. */
export interface HeldSvid {
  readonly entryId: string;
  /** `entryVersion` of the entry it was made for. */
  readonly version: string;
  readonly spiffeId: string;
  /** DER certificates one after the other, leaf first. */
  readonly chain: Uint8Array;
  /** PKCS #8 DER. */
  readonly key: Uint8Array;
  readonly expiresAt: EpochSeconds;
  /** Wall clock, milliseconds. */
  readonly renewAtMs: number;
  /** Hex key id of the authority the chain ends at, as the last certificate names it; empty = unknown. */
  readonly authorityId: string;
}

/**
 * From this moment on an SVID is not handed out any more: whoever reads it a little late, on a machine that is busy or
 * just woke up, would hold one that has ended.
 */
export function handedOutUntil({ expiresAt }: { readonly expiresAt: EpochSeconds }): EpochSeconds {
  return expiresAt - LAST_SECONDS;
}

export interface DueSvids {
  /** Streams wait for these. */
  readonly awaited: readonly Entry[];
  /** To be replaced: what streams hold first, then what is held. */
  readonly others: readonly Entry[];
  /** What may be asked for some day, as far as the bound allows: the first few, in order. */
  readonly ahead: readonly Entry[];
}

interface Use {
  /** Streams that hold it. */
  holds: number;
  /** Rises with each use. */
  at: number;
}

/**
 * The SVIDs an agent holds. Those that a stream holds stay; of the others the least recently used go first once there
 * are more than `maxIdle`.
 */
export class SvidStore {
  #maxIdle: number;
  readonly #svids = new Map<string, HeldSvid>();
  /** Of entries that have an SVID or are held. Changed in place: each fetch holds and releases. */
  readonly #uses = new Map<string, Use>();
  #lastUse = 0;
  readonly #failures = new Map<string, { version: string; attempts: number; retryAtMs: number }>();

  constructor(maxIdle: number) {
    this.#maxIdle = maxIdle;
  }

  /** Another bound from now on; `trim` acts on it. */
  resize(maxIdle: number): void {
    this.#maxIdle = maxIdle;
  }

  get size(): number {
    return this.#svids.size;
  }

  get earliestExpiry(): EpochSeconds | undefined {
    let earliest: EpochSeconds | undefined;
    for (const { expiresAt } of this.#svids.values()) {
      if (earliest === undefined || expiresAt < earliest) earliest = expiresAt;
    }
    return earliest;
  }

  /** An SVID that may be handed out: not about to end, and of the ID the entry gives now. */
  usable(entry: Entry, now: EpochSeconds): HeldSvid | undefined {
    const svid = this.#svids.get(entry.id);
    if (svid === undefined || handedOutUntil(svid) <= now) return undefined;
    return svid.spiffeId === entry.spiffeId ? svid : undefined;
  }

  /** True when signing was tried for this very entry and failed: nobody should wait for it. */
  hasFailed(entry: Entry): boolean {
    return this.#failures.get(entry.id)?.version === entryVersion(entry);
  }

  /** True while a stream holds the entry or there is an SVID of it. */
  isUsed(entryId: string): boolean {
    return this.#svids.has(entryId) || this.#isHeld(entryId);
  }

  put(svid: HeldSvid): void {
    this.#svids.set(svid.entryId, svid);
    this.#useOf(svid.entryId).at = ++this.#lastUse;
    this.#failures.delete(svid.entryId);
  }

  /** The SVID made for `before` stays where it would be no other for `entry`. */
  keep(before: Entry, entry: Entry): void {
    if (hasSameSvid(before, entry)) this.rotate(before, entry, Number.POSITIVE_INFINITY);
  }

  /** The SVID made for `before`, which `entry` changes in nothing, is made anew at that moment and not earlier. */
  rotate(before: Entry, entry: Entry, atMs: number): void {
    const svid = this.#svids.get(entry.id);
    if (svid === undefined || svid.version !== entryVersion(before)) return;
    const renewAtMs = Math.min(svid.renewAtMs, atMs);
    this.#svids.set(entry.id, { ...svid, version: entryVersion(entry), renewAtMs });
  }

  failed(entry: Entry, nowMs: number): void {
    const version = entryVersion(entry);
    const before = this.#failures.get(entry.id);
    const attempts = before?.version === version ? before.attempts + 1 : 1;
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(attempts - 1, 20));
    const svid = this.#svids.get(entry.id);
    const leftMs = svid === undefined ? 0 : handedOutUntil(svid) * 1000 - nowMs;
    // The sooner the less is left of what is to be replaced.
    const inTimeMs = leftMs > 0 ? Math.max(RETRY_BASE_MS, leftMs / 2) : delayMs;
    this.#failures.set(entry.id, {
      version,
      attempts,
      retryAtMs: nowMs + Math.min(delayMs, inTimeMs),
    });
  }

  remove(entryId: string): void {
    this.#svids.delete(entryId);
    this.#forgetUnused(entryId);
    this.#failures.delete(entryId);
  }

  hold(entryIds: readonly string[]): void {
    for (const id of entryIds) this.#useOf(id).holds += 1;
  }

  release(entryIds: readonly string[]): void {
    for (const id of entryIds) {
      const use = this.#uses.get(id);
      if (use === undefined) continue;
      use.holds = Math.max(0, use.holds - 1);
      use.at = ++this.#lastUse;
      this.#forgetUnused(id);
    }
  }

  /** Drops what is expired and what is beyond the bound. @returns the entry ids that lost their SVID */
  trim(now: EpochSeconds): string[] {
    const gone: string[] = [];
    const idle: string[] = [];
    for (const [id, svid] of this.#svids) {
      if (handedOutUntil(svid) <= now) gone.push(id);
      else if (!this.#isHeld(id)) idle.push(id);
    }
    if (idle.length > this.#maxIdle) {
      const lastUse = (id: string): number => this.#uses.get(id)?.at ?? 0;
      idle.sort((a, b) => lastUse(a) - lastUse(b));
      gone.push(...idle.slice(0, idle.length - this.#maxIdle));
    }
    for (const id of gone) {
      this.#svids.delete(id);
      this.#forgetUnused(id);
    }
    return gone;
  }

  /** The entries that need a new SVID now; `tainted` are authorities whose SVIDs are to be replaced. */
  due(entries: Iterable<Entry>, nowMs: number, tainted: ReadonlySet<string>): DueSvids {
    const now = Math.floor(nowMs / 1000);
    const ranks: Entry[][] = [[], [], []];
    const ahead: Entry[] = [];
    let idle = 0;
    for (const entry of entries) {
      // Whatever is held or has an SVID has been used; most of very many entries have not.
      const use = this.#uses.get(entry.id);
      const held = use !== undefined && use.holds > 0;
      const svid = use === undefined ? undefined : this.usable(entry, now);
      if (svid !== undefined && !held) idle += 1;
      if (this.#retryLater(entry, nowMs)) continue;
      if (svid === undefined) {
        if (held) ranks[0]?.push(entry);
        else if (isMadeAhead(entry)) putAmongFirst(ahead, entry);
      } else if (
        svid.version !== entryVersion(entry) ||
        isRenewalDue(svid, nowMs) ||
        tainted.has(svid.authorityId)
      ) {
        ranks[held ? 1 : 2]?.push(entry);
      }
    }
    return {
      awaited: ranks[0] ?? [],
      others: [...(ranks[1] ?? []), ...(ranks[2] ?? [])],
      ahead: ahead.slice(0, Math.max(0, this.#maxIdle - idle)),
    };
  }

  #useOf(id: string): Use {
    let use = this.#uses.get(id);
    if (use === undefined) {
      use = { holds: 0, at: 0 };
      this.#uses.set(id, use);
    }
    return use;
  }

  #isHeld(id: string): boolean {
    return (this.#uses.get(id)?.holds ?? 0) > 0;
  }

  #forgetUnused(id: string): void {
    if (!this.#isHeld(id) && !this.#svids.has(id)) this.#uses.delete(id);
  }

  #retryLater(entry: Entry, nowMs: number): boolean {
    if (this.#failures.size === 0) return false;
    const failure = this.#failures.get(entry.id);
    return (
      failure !== undefined &&
      failure.version === entryVersion(entry) &&
      failure.retryAtMs > nowMs &&
      // A clock that was set back must not stop renewals for longer than the backoff itself.
      failure.retryAtMs - nowMs <= RETRY_MAX_MS
    );
  }
}

function isMadeAhead({ disableX509SvidPrefetch, storeSvid, isNodeAlias }: Entry): boolean {
  return !disableX509SvidPrefetch && !storeSvid && !isNodeAlias;
}

/** Of very many entries only the first few are wanted in order. */
function putAmongFirst(first: Entry[], entry: Entry): void {
  const last = first.at(-1);
  if (last !== undefined && first.length >= AHEAD_AT_ONCE && compareEntries(entry, last) >= 0)
    return;
  const after = first.findIndex((other) => compareEntries(entry, other) < 0);
  first.splice(after < 0 ? first.length : after, 0, entry);
  if (first.length > AHEAD_AT_ONCE) first.pop();
}

/** A clock that was set back must not stop renewals: nothing lives as long as that seems then. */
function isRenewalDue({ renewAtMs, expiresAt }: HeldSvid, nowMs: number): boolean {
  const reserveMs = expiresAt * 1000 - renewAtMs;
  return renewAtMs <= nowMs || renewAtMs - nowMs > 2 * reserveMs + MAX_SKEW_MS;
}

const LAST_SECONDS = 2;
/** A workload that comes waits for no more than these. */
const AHEAD_AT_ONCE = 20;
const RETRY_BASE_MS = 5000;
const RETRY_MAX_MS = 8 * 60_000;
const MAX_SKEW_MS = 10 * 60_000;
