import { setImmediate } from "node:timers/promises";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Change, Datastore, EntryRecord, NodeRecord } from "../datastore/contract.ts";
import { AgentViews } from "./agent-views.ts";
import { type AgentView, EntryGraph } from "./entry-graph.ts";
import { isAgentSelf } from "./agent-selectors.ts";
import { isExpired } from "./expiry.ts";
import { searchEntry } from "./entry-order.ts";
import { type NearEntry, nearestEntries } from "./nearest-entries.ts";
import type { Selector } from "../../spiffe/selector.ts";

/** What the index reads: a datastore, or as much of one. */
export type AuthorizedEntriesSource = Pick<Datastore, "entries" | "nodes" | "changes" | "onCommit">;

export interface AuthorizedEntriesOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** How often to look for changes that no commit of this process announced; a safety net, or the way between servers. */
  readonly pollMs?: number;
}

export interface AuthorizedEntriesChange {
  /** The revision reached. */
  readonly revision: number;
  /** Entries that were made, changed or deleted; empty when everything was loaded anew. */
  readonly entryIds: ReadonlySet<string>;
  /** SPIFFE IDs of agents that came, went or got other selectors; empty when everything was loaded anew. */
  readonly nodeIds: ReadonlySet<string>;
  /** The agents, known to the server or not, whose entries may be others now. */
  readonly agentIds: ReadonlySet<string> | "all";
}

/**
 * Which entries each agent may fetch, answered from memory and kept by the change feed: a change touches the agents
 * that it concerns and no others.
 */
export class AuthorizedEntries implements AsyncDisposable {
  readonly #source: AuthorizedEntriesSource;
  readonly #options: AuthorizedEntriesOptions;
  readonly #views = new AgentViews();
  readonly #listeners = new Set<(change: AuthorizedEntriesChange) => void>();
  readonly #searches = new Serial();
  #searching = 0;
  #graph = new EntryGraph();
  #revision = 0;
  #rounds: Promise<void> = Promise.resolve();
  #loop: Loop | undefined;
  #unsubscribe: (() => void) | undefined;

  private constructor(source: AuthorizedEntriesSource, options: AuthorizedEntriesOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Reads everything once, then follows the feed until disposed. */
  static async load(
    source: AuthorizedEntriesSource,
    options: AuthorizedEntriesOptions,
  ): Promise<AuthorizedEntries> {
    const index = new AuthorizedEntries(source, options);
    await index.#loadAll();
    await index.refresh();
    index.#follow();
    return index;
  }

  /** The newest revision that is in here; never goes back. */
  get revision(): number {
    return this.#revision;
  }

  /** How many entries there are, node aliases included. */
  get size(): number {
    return this.#graph.size;
  }

  /** Ordered by creation, then id; without expired ones. The same array as long as nothing changes. */
  forAgent(agentId: string): readonly EntryRecord[] {
    return this.#view(agentId).entries;
  }

  /** The entries with this very parent, without expired ones: for parents that are no agents. */
  childrenOf(parentId: string): readonly EntryRecord[] {
    const now = epochSeconds(this.#options.clock);
    return this.#graph.childrenOf(parentId).filter((entry) => !isExpired(entry, now));
  }

  /** When `forAgent` becomes another list though nothing is changed: an entry expires. Infinity = never. */
  validUntil(agentId: string): EpochSeconds {
    return this.#view(agentId).validUntil;
  }

  /** The entry, if the agent may fetch it. */
  find(agentId: string, entryId: string): EntryRecord | undefined {
    const entry = this.#graph.entry(entryId);
    if (entry === undefined) return undefined;
    const { entries } = this.#view(agentId);
    const found = entries[searchEntry(entries, entry)];
    return found?.id === entryId ? found : undefined;
  }

  /**
   * The entries that a workload of the agent comes nearest to but for what is the agent's and matches in part.
   * One search at a time: each looks at all entries, and no number of askers may take more of the server than that.
   * @throws the signal's reason; limited when too many wait
   */
  async nearest(
    agentId: string,
    selectors: readonly Selector[],
    signal: AbortSignal,
  ): Promise<{ readonly entries: readonly NearEntry[]; readonly agentIds: readonly string[] }> {
    if (this.#searching >= MAX_SEARCHES) {
      throw fail("limited", "too many ask for the nearest entries at once; ask again in a moment");
    }
    this.#searching += 1;
    try {
      return await this.#searches.run(() => this.#search(agentId, selectors, signal));
    } finally {
      this.#searching -= 1;
    }
  }

  async #search(
    agentId: string,
    selectors: readonly Selector[],
    signal: AbortSignal,
  ): Promise<{ readonly entries: readonly NearEntry[]; readonly agentIds: readonly string[] }> {
    signal.throwIfAborted();
    const now = epochSeconds(this.#options.clock);
    const graph = this.#graph;
    const agentIds = [...graph.idsOf(agentId, now)];
    const parents = new Set(agentIds);
    for (const entry of this.forAgent(agentId)) {
      if (isAgentSelf(entry) && !parents.has(entry.spiffeId)) agentIds.push(entry.spiffeId);
      parents.add(entry.spiffeId);
    }
    const entries = await nearestEntries(graph, { parents, selectors, now, signal });
    return { entries, agentIds };
  }

  /** Agents, known to the server or not, that could serve an entry with this parent; at most `limit`. */
  agentsBelow(parentId: string, limit: number): readonly string[] {
    return this.#graph.agentsBelow(parentId, limit);
  }

  /** Called after the index has changed. @returns unsubscribe */
  onChange(listener: (change: AuthorizedEntriesChange) => void): () => void {
    const own = (change: AuthorizedEntriesChange): void => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** When this resolves, the index holds every change that was committed before the call. */
  refresh(): Promise<void> {
    const round = this.#rounds.then(() => this.#catchUp());
    // The next round does not care how this one ended; its caller does.
    this.#rounds = round.catch(() => undefined);
    return round;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe?.();
    this.#listeners.clear();
    await this.#loop?.[Symbol.asyncDispose]();
    await this.#rounds;
  }

  #follow(): void {
    const { clock, random, logger, pollMs = POLL_MS } = this.#options;
    const loop = new Loop({
      name: "authorized entries",
      clock,
      random,
      backoff: { baseMs: 100, maxMs: pollMs, jitter: 0.3 },
      round: async () => {
        await this.refresh();
        return pollMs;
      },
      onError: (error, retryMs) =>
        logger.error("authorized entries could not be brought up to date", { error, retryMs }),
    });
    this.#loop = loop;
    this.#unsubscribe = this.#source.onCommit((revision) => {
      if (revision > this.#revision) loop.wake();
    });
  }

  #view(agentId: string): AgentView {
    const now = epochSeconds(this.#options.clock);
    const cached = this.#views.get(agentId);
    if (cached !== undefined && cached.validFrom <= now && now < cached.validUntil) return cached;
    const view = this.#graph.view(agentId, now);
    this.#views.set(agentId, view);
    return view;
  }

  async #catchUp(): Promise<void> {
    const { changes } = this.#source;
    for (;;) {
      const rows = await changes.since(this.#revision, ROWS_PER_STEP);
      // Asked after reading: rows that were dropped in between are missed.
      if (this.#revision < (await changes.oldest()) - 1) {
        await this.#loadAll();
        this.#announce({ entryIds: new Set(), nodeIds: new Set(), agentIds: "all" });
        continue;
      }
      const last = rows.at(-1);
      if (last === undefined) return;
      await this.#apply(rows);
      if (rows.length === ROWS_PER_STEP) await setImmediate();
    }
  }

  /** Reads first, then changes everything at once: nobody sees half of it. */
  async #apply(rows: readonly Change[]): Promise<void> {
    const entries = new Map<string, EntryRecord | undefined>();
    const nodes = new Map<string, NodeRecord | undefined>();
    for (const { subject, key } of rows) {
      if (subject === "entry") entries.set(key, undefined);
      if (subject === "node") nodes.set(key, undefined);
    }
    for (const entry of await this.#source.entries.getMany([...entries.keys()])) {
      entries.set(entry.id, entry);
    }
    for (const id of nodes.keys()) nodes.set(id, await this.#source.nodes.get(id));

    const graph = this.#graph;
    const agentIds = new Set<string>();
    const nodeIds = new Set<string>();
    // Whom the old state led to, then whom the new one leads to.
    graph.collectAgents(entries.keys(), agentIds);
    for (const [id, entry] of entries) {
      if (entry === undefined) graph.deleteEntry(id);
      else graph.putEntry(entry);
    }
    for (const [id, node] of nodes) {
      if (node === undefined ? graph.deleteNode(id) : graph.putNode(node)) nodeIds.add(id);
    }
    graph.collectAgents(entries.keys(), agentIds);
    for (const id of nodeIds) agentIds.add(id);
    for (const id of agentIds) this.#views.delete(id);
    this.#revision = rows.at(-1)?.revision ?? this.#revision;
    if (entries.size > 0 || nodeIds.size > 0) {
      this.#announce({ entryIds: new Set(entries.keys()), nodeIds, agentIds });
    }
  }

  async #loadAll(): Promise<void> {
    const { entries, nodes, changes } = this.#source;
    // Before reading: what changes meanwhile comes again through the feed.
    const revision = await changes.current();
    const graph = new EntryGraph();
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const page = await entries.list({}, pageRequest(token));
      for (const entry of page.items) graph.putEntry(entry);
      token = page.nextToken;
      await setImmediate();
    }
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const page = await nodes.list({}, pageRequest(token));
      for (const node of page.items) graph.putNode(node);
      token = page.nextToken;
      await setImmediate();
    }
    this.#graph = graph;
    this.#views.clear();
    this.#revision = Math.max(this.#revision, revision);
  }

  #announce(change: Omit<AuthorizedEntriesChange, "revision">): void {
    // A copy: who subscribes meanwhile hears of the next one.
    const listeners = [...this.#listeners];
    for (const listener of listeners) {
      try {
        listener({ revision: this.#revision, ...change });
      } catch (thrown) {
        this.#options.logger.error("a listener of the authorized entries failed", {
          error: errorFrom(thrown),
        });
      }
    }
  }
}

function pageRequest(token: string | undefined): { size: number; token?: string } {
  return { size: PAGE_SIZE, ...(token === undefined ? {} : { token }) };
}

const PAGE_SIZE = 2000;
const ROWS_PER_STEP = 1000;
const POLL_MS = 30_000;
/** Running and waiting. */
const MAX_SEARCHES = 16;
