/** Which agents listen, and who of them is concerned by a change: nobody else is touched by it. */
import type { Clock } from "../../base/clock.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { NodeService } from "../nodes/node-service.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Revocations } from "../revocation/revocations.ts";
import { EVERY_DOMAIN } from "../entries/every-domain.ts";
import { AgentFeed, type FeedSource } from "./agent-feed.ts";

export interface PushHubOptions {
  /** Name of the own one. */
  readonly trustDomain: string;
  readonly entries: Pick<
    AuthorizedEntries,
    "forAgent" | "validUntil" | "revision" | "onChange" | "refresh"
  >;
  readonly bundles: Pick<BundleService, "own" | "find" | "foreignNames" | "onChange">;
  readonly nodes: Pick<NodeService, "onChange" | "rotationOf">;
  /** Of the own trust domain's authorities. */
  readonly revocations: Pick<Revocations, "crls" | "onChange">;
  readonly clock: Clock;
}

export class PushHub implements Disposable {
  readonly #options: PushHubOptions;
  readonly #source: FeedSource;
  readonly #feeds = new Map<string, AgentFeed>();
  /** By foreign trust domain. */
  readonly #byBundle = new Map<string, Set<AgentFeed>>();
  readonly #watched = new Map<AgentFeed, ReadonlySet<string>>();
  readonly #unsubscribe: readonly (() => void)[];

  constructor(options: PushHubOptions) {
    this.#options = options;
    const { entries, bundles, nodes, revocations, trustDomain } = options;
    const ownBundle = withRevocations(() => bundles.own(), revocations);
    this.#source = {
      entries: (agentId) => entries.forAgent(agentId),
      entriesValidUntil: (agentId) => entries.validUntil(agentId),
      rotation: (agentId) => nodes.rotationOf(agentId),
      get revision() {
        return entries.revision;
      },
      ownBundle,
      bundle: (name) => bundles.find(name),
      foreignNames: () => bundles.foreignNames(),
    };
    this.#unsubscribe = [
      entries.onChange(({ agentIds }) => this.#entriesChanged(agentIds)),
      bundles.onChange((changed) => this.#bundleChanged(changed)),
      revocations.onChange(() => {
        this.#bundleChanged(trustDomain);
        // Some of those who listen may be no callers any more.
        for (const feed of this.#feeds.values()) feed.note("identity");
      }),
      nodes.onChange((agentId) => this.#feeds.get(agentId)?.note("identity")),
    ];
  }

  /** How many agents listen. */
  get size(): number {
    return this.#feeds.size;
  }

  isFollowing(agentId: string): boolean {
    return this.#feeds.has(agentId);
  }

  /** The newest revision that feeds show. */
  get revision(): number {
    return this.#options.entries.revision;
  }

  /** When this resolves, feeds show every change that was committed before the call. */
  refresh(): Promise<void> {
    return this.#options.entries.refresh();
  }

  /** Begins to listen for the agent; a feed that it had before is over. */
  open(agentId: string): AgentFeed {
    this.#feeds.get(agentId)?.note("replaced");
    const feed = new AgentFeed({
      agentId,
      source: this.#source,
      clock: this.#options.clock,
      onEnd: () => this.#close(feed),
    });
    this.#feeds.set(agentId, feed);
    return feed;
  }

  /** Call after each `take`: the agent may have come to need other bundles. */
  watchBundles(feed: AgentFeed): void {
    const before = this.#watched.get(feed) ?? NONE;
    if (before.size === 0 && feed.foreign.size === 0) return;
    for (const name of before) if (!feed.foreign.has(name)) this.#unwatch(feed, name);
    for (const name of feed.foreign) {
      const feeds = this.#byBundle.get(name);
      if (feeds === undefined) this.#byBundle.set(name, new Set([feed]));
      else feeds.add(feed);
    }
    this.#watched.set(feed, new Set(feed.foreign));
  }

  [Symbol.dispose](): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #close(feed: AgentFeed): void {
    for (const name of this.#watched.get(feed) ?? NONE) this.#unwatch(feed, name);
    this.#watched.delete(feed);
    if (this.#feeds.get(feed.agentId) === feed) this.#feeds.delete(feed.agentId);
  }

  #unwatch(feed: AgentFeed, name: string): void {
    const feeds = this.#byBundle.get(name);
    feeds?.delete(feed);
    if (feeds?.size === 0) this.#byBundle.delete(name);
  }

  #entriesChanged(agentIds: ReadonlySet<string> | "all"): void {
    if (agentIds === "all") {
      for (const feed of this.#feeds.values()) feed.note("changed");
      return;
    }
    for (const agentId of agentIds) this.#feeds.get(agentId)?.note("changed");
  }

  #bundleChanged(trustDomain: string): void {
    const isOwn = trustDomain === this.#options.trustDomain;
    const feeds = isOwn ? this.#feeds.values() : (this.#byBundle.get(trustDomain) ?? []);
    for (const feed of feeds) feed.note("changed");
    if (!isOwn) for (const feed of this.#byBundle.get(EVERY_DOMAIN) ?? []) feed.note("changed");
  }
}

/** The own bundle with its authorities' revocation lists: another object when either has changed. */
function withRevocations(own: () => Bundle, revocations: Pick<Revocations, "crls">): () => Bundle {
  let made: { readonly from: Bundle; readonly lists: unknown; readonly bundle: Bundle } | undefined;
  return () => {
    const from = own();
    const lists = revocations.crls;
    if (lists.length === 0) return from;
    if (made?.from !== from || made.lists !== lists) {
      made = { from, lists, bundle: { ...from, crls: lists.map(({ der }) => der) } };
    }
    return made.bundle;
  };
}

const NONE: ReadonlySet<string> = new Set();
