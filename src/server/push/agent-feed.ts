import { type Clock, sleep } from "../../base/clock.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { EVERY_DOMAIN } from "../entries/every-domain.ts";
import { type EntryDiff, type HeldEntry, diffEntries, diffHeld } from "./entry-diff.ts";

/** What the feed of an agent is made of. */
export interface FeedSource {
  entries(agentId: string): readonly EntryRecord[];
  /** Epoch seconds; Infinity = the entries stay the same while nothing is changed. */
  entriesValidUntil(agentId: string): number;
  /** How often an operator had the agent replace its SVIDs. */
  rotation(agentId: string): number;
  readonly revision: number;
  readonly ownBundle: () => Bundle;
  bundle(trustDomain: string): Bundle | undefined;
  /** Foreign trust domains that have a bundle. */
  readonly foreignNames: () => readonly string[];
}

export interface FeedDelta extends EntryDiff {
  /** The agent is to forget what it holds. */
  readonly reset: boolean;
  readonly bundles: readonly Bundle[];
  readonly removedBundles: readonly string[];
  /** With the first one and when it rose. */
  readonly rotation: number | undefined;
  /** The state that this leads to. */
  readonly revision: number;
}

/** `expired`: entries ended by themselves, no change was made. */
export type FeedEvent = "changed" | "identity" | "replaced" | "expired" | "quiet";

type NotedEvent = Exclude<FeedEvent, "expired" | "quiet">;

/**
 * What one agent was told, and whether there may be more. Between two messages a flag is all that is kept: what the
 * agent lacks is worked out when it can take it, so a slow agent costs no more than a fast one.
 */
export class AgentFeed implements Disposable {
  readonly agentId: string;
  readonly #source: FeedSource;
  readonly #clock: Clock;
  readonly #onEnd: (feed: AgentFeed) => void;
  readonly #events = new Set<NotedEvent>();
  readonly #bundles = new Map<string, Bundle>();
  /** What the agent holds, as far as this stream knows: what it said, then what it was sent. */
  #held: readonly HeldEntry[] | undefined;
  #sent: readonly EntryRecord[] | undefined;
  #rotation: number | undefined;
  #tookAtMs = 0;
  /** When `#sent` changes by itself, epoch seconds. */
  #validUntil = Number.POSITIVE_INFINITY;
  #wake: (() => void) | undefined;

  constructor(params: {
    readonly agentId: string;
    readonly source: FeedSource;
    readonly clock: Clock;
    readonly onEnd: (feed: AgentFeed) => void;
  }) {
    this.agentId = params.agentId;
    this.#source = params.source;
    this.#clock = params.clock;
    this.#onEnd = params.onEnd;
  }

  /** Foreign trust domains whose bundles the agent holds or lacks. */
  readonly foreign = new Set<string>();

  /** Some entry federates with every one of them. */
  get isForEvery(): boolean {
    return this.foreign.has(EVERY_DOMAIN);
  }

  /** Goes on from what the agent holds already. */
  resume(held: readonly HeldEntry[]): void {
    this.#held = held;
  }

  /** Something of the kind may have happened. */
  note(event: NotedEvent): void {
    this.#events.add(event);
    this.#wake?.();
  }

  /** Lets changes gather that follow each other fast: the more entries an agent has, the rarer it is told. */
  async rest(signal: AbortSignal): Promise<void> {
    const gapMs = Math.floor((this.#sent?.length ?? 0) / ENTRIES_PER_MS);
    const leftMs = Math.min(gapMs, this.#tookAtMs + gapMs - this.#clock.nowMs());
    if (leftMs > 0) await sleep(this.#clock, leftMs, signal);
  }

  /** What the agent lacks at this moment; `undefined` when that is nothing. The first one is never `undefined`. */
  take(): FeedDelta | undefined {
    const source = this.#source;
    this.#events.delete("changed");
    const entries = source.entries(this.agentId);
    const first = this.#sent === undefined;
    const reset = first && this.#held === undefined;
    const diff =
      this.#sent === undefined
        ? diffHeld(this.#held ?? [], entries)
        : diffEntries(this.#sent, entries);
    const moved = diff.upserts.length > 0 || diff.removed.length > 0;
    this.#sent = entries;
    this.#tookAtMs = this.#clock.nowMs();
    this.#validUntil = source.entriesValidUntil(this.agentId);
    this.#held = undefined;
    const { bundles, removedBundles } = this.#takeBundles(first || moved);
    const number = source.rotation(this.agentId);
    const rotation = number === this.#rotation ? undefined : number;
    this.#rotation = number;
    const bundlesMoved = bundles.length > 0 || removedBundles.length > 0;
    if (!first && !moved && !bundlesMoved && rotation === undefined) return undefined;
    return { ...diff, reset, bundles, removedBundles, rotation, revision: source.revision };
  }

  /** The next thing that happened; `quiet` when nothing did for so long. @throws the signal's reason */
  async wait(quietMs: number, signal: AbortSignal): Promise<FeedEvent> {
    signal.throwIfAborted();
    const expiryMs = this.#validUntil * 1000 - this.#clock.nowMs();
    const expires = expiryMs <= quietMs;
    if (this.#events.size === 0) {
      await this.#sleep(Math.max(0, expires ? expiryMs : quietMs), signal);
      signal.throwIfAborted();
    }
    for (const event of ["replaced", "identity", "changed"] as const) {
      if (this.#events.delete(event)) return event;
    }
    return expires ? "expired" : "quiet";
  }

  [Symbol.dispose](): void {
    this.#onEnd(this);
  }

  #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        signal.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#clock.after(delayMs, wake);
      signal.addEventListener("abort", wake, { once: true });
      this.#wake = wake;
    });
  }

  #takeBundles(entriesMoved: boolean): { bundles: Bundle[]; removedBundles: string[] } {
    const own = this.#source.ownBundle();
    if (entriesMoved) {
      this.foreign.clear();
      for (const { federatesWith } of this.#sent ?? []) {
        for (const name of federatesWith) if (name !== own.trustDomain) this.foreign.add(name);
      }
    }
    const bundles: Bundle[] = [];
    const found = new Map([[own.trustDomain, own]]);
    const names = this.isForEvery ? this.#source.foreignNames() : this.foreign;
    for (const name of names) {
      const bundle = this.#source.bundle(name);
      if (bundle !== undefined) found.set(name, bundle);
    }
    for (const [name, bundle] of found) {
      if (this.#bundles.get(name) === bundle) continue;
      this.#bundles.set(name, bundle);
      bundles.push(bundle);
    }
    const removedBundles = [...this.#bundles.keys()].filter((name) => !found.has(name));
    for (const name of removedBundles) this.#bundles.delete(name);
    return { bundles, removedBundles };
  }
}

/** Bounds the share of time that goes into working out what one agent lacks to about a tenth. */
const ENTRIES_PER_MS = 500;
