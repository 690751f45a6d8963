/** A cache with readable frames and a clock that stands still. */
import { Cache, type ViewUpdate } from "../../src/agent/cache/cache.ts";
import { type Entry, entryVersion } from "../../src/agent/cache/entry.ts";
import type { HeldSvid } from "../../src/agent/cache/svid-store.ts";
import type { ViewContent, ViewKind } from "../../src/agent/cache/view.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { type Selector, parseSelector } from "../../src/spiffe/selector.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

export const S = (...texts: string[]): Selector[] => texts.map(parseSelector);

export function entry(id: string, change: Partial<Entry> = {}): Entry {
  return {
    id,
    spiffeId: `spiffe://example.org/${id}`,
    selectors: S("unix:uid:1"),
    federatesWith: [],
    hint: "",
    admin: false,
    downstream: false,
    storeSvid: false,
    isNodeAlias: false,
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    dnsNames: [],
    x509SvidTtl: 0,
    revisionNumber: 0,
    createdAt: 0,
    expiresAt: 0,
    ...change,
  };
}

export function bundle(trustDomain: string, sequence = 1): Bundle {
  return { trustDomain, x509Authorities: [], jwtAuthorities: [], refreshHint: 0, sequence };
}

/** Readable bytes in place of protobuf: what matters here is who gets which, and when. */
export function encode(kind: ViewKind, { svids, own, foreign }: ViewContent): Uint8Array {
  const text = [
    kind,
    ...svids.map(({ entry: { hint }, svid }) => `${svid.spiffeId}#${svid.version}${hint}`),
    `${own.trustDomain}@${own.sequence}`,
    ...foreign.map((b) => `${b.trustDomain}@${b.sequence}`),
  ].join(" ");
  return new TextEncoder().encode(text);
}

export class Bench {
  readonly clock = new VirtualClock();
  readonly cache: Cache;
  missing = 0;
  #entries = new Map<string, Entry>();
  #own = bundle("example.org");
  #foreign = new Map<string, Bundle>();

  constructor(options: { maxIdleSvids?: number; allowUnregistered?: boolean } = {}) {
    this.cache = new Cache({
      clock: this.clock,
      encode,
      maxIdleSvids: options.maxIdleSvids ?? 100,
      allowUnregistered: options.allowUnregistered ?? false,
    });
    this.cache.onMissing = () => (this.missing += 1);
  }

  /** Syncs with these entries on top of the ones before; ids in `gone` go. */
  sync(entries: readonly Entry[] = [], gone: readonly string[] = []): void {
    const next = new Map(this.#entries);
    for (const id of gone) next.delete(id);
    for (const one of entries) next.set(one.id, one);
    this.#entries = next;
    this.cache.apply({ entries: next, own: this.#own, foreign: this.#foreign });
  }

  own(sequence: number): void {
    this.#own = bundle("example.org", sequence);
    this.sync();
  }

  foreign(...bundles: Bundle[]): void {
    this.#foreign = new Map(bundles.map((b) => [b.trustDomain, b]));
    this.sync();
  }

  svid(one: Entry, change: Partial<HeldSvid> = {}): HeldSvid {
    const now = this.clock.nowMs() / 1000;
    return {
      entryId: one.id,
      version: entryVersion(one),
      spiffeId: one.spiffeId,
      chain: new Uint8Array(1),
      key: new Uint8Array(1),
      expiresAt: now + 3600,
      renewAtMs: (now + 1800) * 1000,
      authorityId: "aa",
      ...change,
    };
  }

  sign(...entries: Entry[]): void {
    this.cache.applySvids(
      entries.map((one) => this.svid(one)),
      [],
    );
  }

  due(tainted: string[] = []): string[] {
    const { awaited, others, ahead } = this.cache.due(new Set(tainted));
    return [...awaited, ...others, ...ahead].map(({ id }) => id);
  }

  watch(selectors = S("unix:uid:1"), kind: ViewKind = "x509") {
    const seen: string[] = [];
    const subscription = this.cache.subscribe(selectors, kind, (update: ViewUpdate) => {
      seen.push(update.kind === "none" ? "none" : new TextDecoder().decode(update.frame));
    });
    return { seen, ...subscription };
  }
}
