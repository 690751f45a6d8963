import type { EpochSeconds } from "../../base/clock.ts";
import { bytesEqual } from "../../base/bytes.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { EVERY_DOMAIN, type Entry, entryVersion } from "./entry.ts";
import { type HeldSvid, handedOutUntil } from "./svid-store.ts";

export const VIEW_KINDS = ["x509", "x509-bundles", "jwt-bundles"] as const;

/** One for each streaming method of the Workload API. */
export type ViewKind = (typeof VIEW_KINDS)[number];

/** Everything a view of any kind is made of, in the order it is handed out. */
export interface ViewContent {
  /** `x509` only. */
  readonly svids: readonly { readonly entry: Entry; readonly svid: HeldSvid }[];
  readonly own: Bundle;
  /** Sorted by trust domain; never the own one. */
  readonly foreign: readonly Bundle[];
}

/** Encodes and frames a view; equal contents must give equal bytes. */
export type ViewEncoder = (kind: ViewKind, content: ViewContent) => Uint8Array;

export interface ViewState {
  readonly frame: Uint8Array;
  /** What the frame was made of; for others than the Workload API. */
  readonly content: ViewContent;
  /** False while the SVID of some entry is still to be signed. */
  readonly complete: boolean;
  /** When the first of its SVIDs is not handed out any more; never for others than `x509`. */
  readonly validUntil: EpochSeconds;
}

export interface ViewSources {
  readonly encode: ViewEncoder;
  svidOf(entry: Entry): HeldSvid | undefined;
  hasFailed(entry: Entry): boolean;
  own(): Bundle | undefined;
  foreign(trustDomain: string): Bundle | undefined;
  /** Trust domains that `foreign` knows. */
  foreignNames(): Iterable<string>;
  now(): EpochSeconds;
}

/** What workloads with one set of matching entries see; each kind is encoded when it is first asked for. */
export class View {
  /** Equal for equal sets of entries. */
  readonly key: string;
  readonly entryIds: readonly string[];
  readonly entries: readonly Entry[];
  readonly #sources: ViewSources;
  readonly #states = new Map<ViewKind, ViewState>();
  readonly #stale = new Set<ViewKind>();

  constructor(entries: readonly Entry[], sources: ViewSources) {
    this.entries = entries;
    this.#sources = sources;
    this.entryIds = entries.map(({ id }) => id);
    this.key = JSON.stringify(entries.map((entry) => [entry.id, entryVersion(entry)]));
  }

  markStale(kinds: readonly ViewKind[]): void {
    for (const kind of kinds) this.#stale.add(kind);
  }

  /** `undefined` while there is nothing to show: no bundle, or not one SVID. */
  state(kind: ViewKind): ViewState | undefined {
    const before = this.#states.get(kind);
    if (before !== undefined && !this.#stale.has(kind) && before.validUntil > this.#sources.now()) {
      return before;
    }
    const after = this.#compose(kind, before?.frame);
    this.#stale.delete(kind);
    if (after === undefined) this.#states.delete(kind);
    else this.#states.set(kind, after);
    return after;
  }

  #compose(kind: ViewKind, before: Uint8Array | undefined): ViewState | undefined {
    const own = this.#sources.own();
    if (own === undefined) return undefined;
    const svids: { entry: Entry; svid: HeldSvid }[] = [];
    let complete = true;
    let validUntil = Number.POSITIVE_INFINITY;
    if (kind === "x509") {
      for (const entry of this.entries) {
        const svid = this.#sources.svidOf(entry);
        if (svid !== undefined) {
          svids.push({ entry, svid });
          validUntil = Math.min(validUntil, handedOutUntil(svid));
        } else if (!this.#sources.hasFailed(entry)) {
          complete = false;
        }
      }
      if (svids.length === 0) return undefined;
    }
    const content = { svids, own, foreign: this.#foreign(own) };
    const encoded = this.#sources.encode(kind, content);
    // The same object for the same bytes, so that what streams hold is held once.
    const frame = before !== undefined && bytesEqual(before, encoded) ? before : encoded;
    return { frame, content, complete, validUntil };
  }

  #foreign(own: Bundle): Bundle[] {
    const named = this.entries.flatMap((entry) => entry.federatesWith);
    const isForEvery = named.includes(EVERY_DOMAIN);
    const names = new Set(isForEvery ? this.#sources.foreignNames() : named);
    names.delete(own.trustDomain);
    return [...names]
      .sort()
      .map((name) => this.#sources.foreign(name))
      .filter((bundle) => bundle !== undefined);
  }
}
