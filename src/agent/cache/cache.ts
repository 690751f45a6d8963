/**
 * What the agent knows, and who is told when it changes: entries, bundles and SVIDs made ahead, composed into one view
 * per set of matching entries. A view is encoded once and the same bytes go to every stream that holds it.
 */
import { bytesEqual } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { LruMap } from "../../base/lru.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type Selector, selectorSetKey } from "../../spiffe/selector.ts";
import { EntryIndex } from "./entry-index.ts";
import { EVERY_DOMAIN, type Entry, isExpired, withoutDuplicateHints } from "./entry.ts";
import { Members, memberOf } from "./members.ts";
import { type DueSvids, type HeldSvid, SvidStore } from "./svid-store.ts";
import { VIEW_KINDS, View, type ViewEncoder, type ViewKind, type ViewState } from "./view.ts";

export interface CachePolicy {
  /** Bound on SVIDs that no stream holds. */
  readonly maxIdleSvids: number;
  /** Callers without an identity get the own trust domain's bundle. */
  readonly allowUnregistered: boolean;
}

export interface CacheOptions extends CachePolicy {
  readonly clock: Clock;
  readonly encode: ViewEncoder;
}

/** The outcome of one sync. Entries that did not change are the same objects as before. */
export interface Synced {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly own: Bundle;
  readonly foreign: ReadonlyMap<string, Bundle>;
  /** Ids of all entries that may have come, gone or changed since the last time; absent = unknown. */
  readonly touched?: ReadonlySet<string>;
  /** Whose SVIDs an operator wants anew: entries as they were before, by id, or all of them. Absent = none. */
  readonly rotated?: ReadonlyMap<string, Entry> | "all";
}

/** `view`: a whole new state. `none`: the caller has no identity (any more); said again with each change until it has. */
export type ViewUpdate = (ViewState & { readonly kind: "view" }) | { readonly kind: "none" };

export interface DepartedEntry {
  readonly entry: Entry;
  /** When it expired or was taken away. */
  readonly at: EpochSeconds;
}

export interface Subscription {
  /** Hands over what there is, though some SVID is still missing; false when there is nothing at all. */
  settle(): boolean;
  close(): void;
}

interface Subscriber {
  readonly kind: ViewKind;
  readonly listener: (update: ViewUpdate) => void;
  last: Uint8Array | undefined;
}

/** All subscribers with the same selectors. */
interface Group {
  readonly key: string;
  readonly selectors: readonly Selector[];
  readonly subscribers: Set<Subscriber>;
  view: View;
}

export class Cache {
  readonly #options: CacheOptions;
  readonly #index = new EntryIndex();
  readonly #svids: SvidStore;
  readonly #members = new Members();
  /** Members of families that changed, until it is known which of them stay. */
  readonly #orphans = new Set<string>();
  #allowUnregistered: boolean;
  readonly #groups = new Map<string, Group>();
  /** Views of selectors that nobody subscribes to just now: the next caller of the kind finds its bytes ready. */
  readonly #idle = new LruMap<string, View>(MAX_IDLE_VIEWS);
  readonly #views = new Map<string, { view: View; groups: number }>();
  /** By the list itself: attestation gives the same one to all processes of a kind. */
  #matches = new WeakMap<readonly Selector[], readonly Entry[]>();
  #own: Bundle | undefined;
  #foreign: ReadonlyMap<string, Bundle> = new Map();
  #entries: ReadonlyMap<string, Entry> = new Map();
  #nextExpiry: EpochSeconds = Number.POSITIVE_INFINITY;
  /** For whoever asks why an identity is gone; nothing is served from it. */
  readonly #departed = new LruMap<string, DepartedEntry>(MAX_DEPARTED);
  #cancelExpiry: () => void = () => undefined;
  #synced = false;
  #onMissing: () => void = () => undefined;
  readonly #onSynced = new Set<() => void>();

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#svids = new SvidStore(options.maxIdleSvids);
    this.#allowUnregistered = options.allowUnregistered;
  }

  /** From now on; streams that may not go on end at once. */
  setPolicy({ maxIdleSvids, allowUnregistered }: CachePolicy): void {
    this.#svids.resize(maxIdleSvids);
    this.#allowUnregistered = allowUnregistered;
    this.#push();
  }

  /** False until the first sync: until then nobody can be told that it has no identity. */
  get synced(): boolean {
    return this.#synced;
  }

  get entryCount(): number {
    return this.#index.size;
  }

  /** How many entries came, changed and went so far. */
  get entryChanges(): EntryIndex["changes"] {
    return this.#index.changes;
  }

  get svidCount(): number {
    return this.#svids.size;
  }

  /** Of the SVIDs held; undefined without one. */
  get earliestExpiry(): EpochSeconds | undefined {
    return this.#svids.earliestExpiry;
  }

  get subscriberCount(): number {
    let count = 0;
    for (const group of this.#groups.values()) count += group.subscribers.size;
    return count;
  }

  /** Called when a stream waits for an SVID that is not held. */
  set onMissing(listener: () => void) {
    this.#onMissing = listener;
  }

  entry(id: string): Entry | undefined {
    return this.#index.get(id);
  }

  /** All that the server told, expired ones too. */
  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  /** Entries that were here until lately, and when they went; some of them may have come back. */
  get departed(): Iterable<DepartedEntry> {
    return this.#departed.values();
  }

  /** Until when an SVID of the entry is held, in epoch seconds, and whether the server refused to sign one. */
  svidState(entry: Entry): {
    readonly expiresAt: EpochSeconds | undefined;
    readonly failed: boolean;
  } {
    return {
      expiresAt: this.#svids.usable(entry, epochSeconds(this.#options.clock))?.expiresAt,
      failed: this.#svids.hasFailed(entry),
    };
  }

  /** The entries of a workload in their stable order, duplicate hints left out. */
  match(selectors: readonly Selector[]): readonly Entry[] {
    const known = this.#matches.get(selectors);
    if (known !== undefined) return known;
    const entries = withoutDuplicateHints(
      this.#index
        .match(selectors)
        .filter((entry) => !entry.storeSvid && !entry.isNodeAlias)
        .flatMap((entry) =>
          entry.template === undefined ? [entry] : (memberOf(entry, selectors) ?? []),
        ),
    );
    if (Object.isFrozen(selectors)) this.#matches.set(selectors, entries);
    return entries;
  }

  /** The bundle of the own trust domain, or of one that a matching entry federates with. */
  bundleFor(trustDomain: string, entries: readonly Entry[]): Bundle | undefined {
    if (trustDomain === this.#own?.trustDomain) return this.#own;
    return entries.some(
      ({ federatesWith }) =>
        federatesWith.includes(trustDomain) || federatesWith.includes(EVERY_DOMAIN),
    )
      ? this.#foreign.get(trustDomain)
      : undefined;
  }

  get ownBundle(): Bundle | undefined {
    return this.#own;
  }

  /** The own bundle as it was stored, before the first sync. */
  preload(own: Bundle): void {
    this.#own ??= own;
  }

  /** Calls back once, after the first sync. @returns how to stop */
  onSynced(listener: () => void): () => void {
    this.#onSynced.add(listener);
    return () => this.#onSynced.delete(listener);
  }

  /** Resolves after the first sync. @throws the signal's reason */
  async whenSynced(signal: AbortSignal): Promise<void> {
    if (this.#synced) return;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#onSynced.add(resolve);
    try {
      await promise;
    } finally {
      this.#onSynced.delete(resolve);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Takes over a sync and tells everyone whose view it changes. */
  apply(synced: Synced): void {
    const changed = this.#takeEntries(synced.entries, synced.touched);
    const bundlesChanged = this.#own !== synced.own || !sameBundles(this.#foreign, synced.foreign);
    this.#own = synced.own;
    this.#foreign = synced.foreign;
    const first = !this.#synced;
    this.#synced = true;
    if (changed.size > 0 || first) this.#rematchAll();
    if (bundlesChanged) this.#markAll();
    if (changed.size > 0 || bundlesChanged || first) this.#push();
    if (first) for (const resolve of this.#onSynced) resolve();
  }

  /** Has good SVIDs made anew at that moment, milliseconds of the wall clock; what is held stays until then. */
  rotate(rotated: ReadonlyMap<string, Entry> | "all", atMs: number): void {
    const entries = rotated === "all" ? this.#index.entries() : rotated.values();
    for (const before of entries) {
      for (const [old, member] of this.#members.rotated(before)) {
        this.#svids.rotate(old, member, atMs);
      }
      const entry = this.#index.get(before.id);
      if (entry !== undefined) this.#svids.rotate(before, entry, atMs);
    }
  }

  /** Ends the wait for the next expiry. */
  [Symbol.dispose](): void {
    this.#cancelExpiry();
  }

  /** Takes over freshly made SVIDs, and the entries for which none could be made. */
  applySvids(made: readonly HeldSvid[], failed: readonly Entry[]): void {
    const touched = new Set<string>();
    for (const svid of made) {
      // The entry may have gone while the server signed.
      if (!this.#isKnown(svid.entryId)) continue;
      this.#svids.put(svid);
      touched.add(svid.entryId);
    }
    for (const entry of failed) {
      if (!this.#isKnown(entry.id)) continue;
      this.#svids.failed(entry, this.#options.clock.nowMs());
      touched.add(entry.id);
    }
    for (const id of this.#svids.trim(epochSeconds(this.#options.clock))) touched.add(id);
    this.#markTouched(touched);
    this.#push();
  }

  /** Entries that need an SVID now. Drops expired ones on the way. */
  due(tainted: ReadonlySet<string>): DueSvids {
    const { clock } = this.#options;
    const gone = new Set(this.#svids.trim(epochSeconds(clock)));
    if (gone.size > 0) {
      this.#markTouched(gone);
      this.#push();
    }
    for (const id of this.#members.prune((member) => this.#svids.isUsed(member))) {
      this.#svids.remove(id);
    }
    const identities = [...this.#index.withoutTemplates(), ...this.#members.values()];
    return this.#svids.due(identities, clock.nowMs(), tainted);
  }

  /**
   * Tells `listener` the view of the kind for these selectors, at once where it is known and again on each change.
   * Says nothing while the answer is unknown: before the first sync, or until the SVIDs are signed.
   */
  subscribe(
    selectors: readonly Selector[],
    kind: ViewKind,
    listener: (update: ViewUpdate) => void,
  ): Subscription {
    const group = this.#groupOf(selectors);
    const subscriber: Subscriber = { kind, listener, last: undefined };
    group.subscribers.add(subscriber);
    if (kind === "x509") this.#hold(group.view);
    if (!this.#deliver(group, subscriber, false) && this.#synced) this.#onMissing();
    let open = true;
    return {
      settle: () => {
        this.#deliver(group, subscriber, true);
        return subscriber.last !== undefined;
      },
      close: () => {
        if (!open) return;
        open = false;
        group.subscribers.delete(subscriber);
        if (kind === "x509") this.#svids.release(group.view.entryIds);
        if (group.subscribers.size === 0) this.#retire(group);
      },
    };
  }

  #isKnown(id: string): boolean {
    return (this.#index.get(id) ?? this.#members.get(id)) !== undefined;
  }

  #hold(view: View): void {
    this.#svids.hold(view.entryIds);
    this.#members.put(view.entries);
  }

  /** @returns the ids of entries that came, went or changed */
  #takeEntries(
    entries: ReadonlyMap<string, Entry>,
    touched: ReadonlySet<string> | undefined,
  ): ReadonlySet<string> {
    const now = epochSeconds(this.#options.clock);
    const changed = this.#index.replace(
      entries,
      (entry) => isExpired(entry, now),
      touched,
      (before, after) => {
        if (after === undefined) this.#departed.set(before.id, { entry: before, at: now });
        else this.#svids.keep(before, after);
      },
    );
    if (changed.size > 0) this.#matches = new WeakMap();
    for (const id of changed) {
      if (this.#index.get(id) === undefined) this.#svids.remove(id);
    }
    for (const id of this.#members.dropOf(changed)) this.#orphans.add(id);
    this.#entries = entries;
    let next = this.#nextExpiry;
    for (const id of touched ?? entries.keys()) {
      const expiresAt = entries.get(id)?.expiresAt ?? 0;
      if (expiresAt !== 0 && expiresAt < next) next = expiresAt;
    }
    if (next < this.#nextExpiry) this.#awaitExpiry(next);
    return changed;
  }

  /** An entry ends at its second, whether or not the server can be heard. */
  #awaitExpiry(next: EpochSeconds): void {
    this.#cancelExpiry();
    this.#nextExpiry = next;
    const { clock } = this.#options;
    const dueMs = next * 1000 - clock.nowMs();
    // Looked at now and then, as the wall clock may be set meanwhile: expired entries come back with it.
    const delayMs = dueMs > 0 ? Math.min(dueMs, EXPIRY_CHECK_MS) : EXPIRY_CHECK_MS;
    this.#cancelExpiry = clock.after(delayMs, () => {
      this.#nextExpiry = Number.POSITIVE_INFINITY;
      const changed = this.#takeEntries(this.#entries, undefined);
      if (changed.size === 0) return;
      this.#rematchAll();
      this.#push();
    });
  }

  #rematchAll(): void {
    this.#idle.clear();
    for (const group of this.#groups.values()) this.#rematch(group);
    // What streams go on with is a member again.
    for (const id of this.#orphans) {
      if (this.#members.get(id) === undefined) this.#svids.remove(id);
    }
    this.#orphans.clear();
  }

  #groupOf(selectors: readonly Selector[]): Group {
    const key = selectorSetKey(selectors);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const view = this.#attach(this.#idle.get(key) ?? this.#viewOf(selectors));
    this.#idle.delete(key);
    const group: Group = { key, selectors, subscribers: new Set(), view };
    this.#groups.set(key, group);
    return group;
  }

  #viewOf(selectors: readonly Selector[]): View {
    const entries = this.match(selectors);
    const view = new View(entries, {
      encode: this.#options.encode,
      svidOf: (entry) => this.#svids.usable(entry, epochSeconds(this.#options.clock)),
      hasFailed: (entry) => this.#svids.hasFailed(entry),
      own: () => this.#own,
      foreign: (trustDomain) => this.#foreign.get(trustDomain),
      foreignNames: () => this.#foreign.keys(),
      now: () => epochSeconds(this.#options.clock),
    });
    return this.#views.get(view.key)?.view ?? view;
  }

  #attach(view: View): View {
    const known = this.#views.get(view.key);
    if (known === undefined) this.#views.set(view.key, { view, groups: 1 });
    else known.groups += 1;
    return known?.view ?? view;
  }

  #detach(view: View): void {
    const known = this.#views.get(view.key);
    if (known === undefined) return;
    known.groups -= 1;
    if (known.groups === 0) this.#views.delete(view.key);
  }

  #retire(group: Group): void {
    this.#groups.delete(group.key);
    this.#detach(group.view);
    if (this.#synced) this.#idle.set(group.key, group.view);
  }

  #rematch(group: Group): void {
    const before = group.view;
    const after = this.#viewOf(group.selectors);
    const holders = [...group.subscribers].filter(({ kind }) => kind === "x509").length;
    for (let i = 0; i < holders; i++) this.#hold(after);
    for (let i = 0; i < holders; i++) this.#svids.release(before.entryIds);
    if (after === before) return;
    this.#detach(before);
    group.view = this.#attach(after);
  }

  #markAll(): void {
    for (const { view } of this.#views.values()) view.markStale(VIEW_KINDS);
    for (const view of this.#idle.values()) view.markStale(VIEW_KINDS);
  }

  #markTouched(entryIds: ReadonlySet<string>): void {
    if (entryIds.size === 0) return;
    const mark = (view: View): void => {
      if (view.entryIds.some((id) => entryIds.has(id))) view.markStale(["x509"]);
    };
    for (const { view } of this.#views.values()) mark(view);
    for (const view of this.#idle.values()) mark(view);
  }

  #push(): void {
    if (!this.#synced) return;
    let missing = false;
    // A listener may close its own subscription, or another, while it is told: maps and sets bear that.
    for (const group of this.#groups.values()) {
      for (const subscriber of group.subscribers) {
        if (!this.#deliver(group, subscriber, false)) missing = true;
      }
    }
    if (missing) this.#onMissing();
  }

  /** @returns false while the subscriber still waits for something */
  #deliver(group: Group, subscriber: Subscriber, settle: boolean): boolean {
    if (!this.#synced) return false;
    const { view } = group;
    const { kind } = subscriber;
    if (view.entryIds.length === 0 && (kind === "x509" || !this.#allowUnregistered)) {
      subscriber.last = undefined;
      subscriber.listener({ kind: "none" });
      return true;
    }
    const state = view.state(kind);
    if (state === undefined) return false;
    // Whoever waits for its first view gets it whole; whoever has one is told of redactions at once.
    if (!state.complete && subscriber.last === undefined && !settle) return false;
    const { last } = subscriber;
    if (last !== state.frame && (last === undefined || !bytesEqual(last, state.frame))) {
      subscriber.last = state.frame;
      subscriber.listener({ kind: "view", ...state });
    }
    return state.complete;
  }
}

function sameBundles(a: ReadonlyMap<string, Bundle>, b: ReadonlyMap<string, Bundle>): boolean {
  return a.size === b.size && [...a].every(([name, bundle]) => b.get(name) === bundle);
}

const MAX_IDLE_VIEWS = 1000;
const MAX_DEPARTED = 200;
const EXPIRY_CHECK_MS = 60_000;
