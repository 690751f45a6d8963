import type { EpochSeconds } from "../../base/clock.ts";
import type { EntryRecord, NodeRecord } from "../datastore/contract.ts";
import { AgentSelectors } from "./agent-selectors.ts";
import { OrderedGroups, compareEntries } from "./entry-order.ts";
import { isExpired } from "./expiry.ts";
import type { ParentKind } from "./nearest-entries.ts";
import { NodeAliases, isNodeAlias } from "./node-aliases.ts";

/** What an agent may fetch, and until when that holds if no entry changes. */
export interface AgentView {
  /** Ordered by creation, then id; without expired ones and without node aliases. */
  readonly entries: readonly EntryRecord[];
  /** When the first of the entries that led here expires; Infinity = none does. */
  readonly validUntil: EpochSeconds;
  /** When this was worked out; a clock that was set back makes it void. */
  readonly validFrom: EpochSeconds;
}

/**
 * All entries and agents in memory, linked: downwards from an agent to the entries it may fetch, upwards from an
 * entry to the agents that it concerns. Pure and synchronous; the rules are SPIRE's:
 * - an agent reaches the entries whose parent is its own ID, then those whose parent is a reached entry's ID;
 * - a node alias whose selectors the agent has makes it reach the entries whose parent is the alias's ID.
 */
export class EntryGraph {
  readonly #entries = new Map<string, EntryRecord>();
  /** Without node aliases. */
  readonly #byParent = new OrderedGroups();
  /** With node aliases. */
  readonly #bySpiffeId = new OrderedGroups();
  readonly #aliases = new NodeAliases();
  readonly #agents = new AgentSelectors();

  get size(): number {
    return this.#entries.size;
  }

  entry(id: string): EntryRecord | undefined {
    return this.#entries.get(id);
  }

  putEntry(entry: EntryRecord): void {
    this.deleteEntry(entry.id);
    this.#entries.set(entry.id, entry);
    this.#bySpiffeId.add(entry.spiffeId, entry);
    if (isNodeAlias(entry)) this.#aliases.put(entry);
    else this.#byParent.add(entry.parentId, entry);
  }

  deleteEntry(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bySpiffeId.remove(entry.spiffeId, entry);
    this.#byParent.remove(entry.parentId, entry);
    this.#aliases.delete(id);
  }

  /** @returns whether anything changed that this graph knows of */
  putNode(node: NodeRecord): boolean {
    return this.#agents.put(node.spiffeId, node.selectors);
  }

  /** @returns whether there was one */
  deleteNode(agentId: string): boolean {
    return this.#agents.delete(agentId);
  }

  view(agentId: string, now: EpochSeconds): AgentView {
    const entries: EntryRecord[] = [];
    let validUntil = Number.POSITIVE_INFINITY;
    const live = (entry: EntryRecord): boolean => {
      if (isExpired(entry, now)) return false;
      if (entry.expiresAt !== 0) validUntil = Math.min(validUntil, entry.expiresAt);
      return true;
    };
    const parents = this.#walkFrom(agentId, live);
    let groups = 0;
    // A Set hands out what is added while it is walked, and each parent once: cycles end.
    for (const parent of parents) {
      const before = entries.length;
      for (const entry of this.#byParent.get(parent)) {
        if (!live(entry)) continue;
        entries.push(entry);
        // Few of very many are.
        if (this.#byParent.has(entry.spiffeId)) parents.add(entry.spiffeId);
      }
      if (entries.length > before) groups += 1;
    }
    // Each group is in order already.
    if (groups > 1) entries.sort(compareEntries);
    return { entries, validFrom: now, validUntil };
  }

  /** Those with this very parent, in order, expired ones included. */
  childrenOf(parentId: string): readonly EntryRecord[] {
    return this.#byParent.get(parentId);
  }

  entries(): Iterable<EntryRecord> {
    return this.#entries.values();
  }

  /** The agent's own ID, then those of the node aliases it falls under. */
  idsOf(agentId: string, now: EpochSeconds): ReadonlySet<string> {
    return this.#walkFrom(agentId, (entry) => !isExpired(entry, now));
  }

  /** What bears an ID, seen from anywhere. */
  kindOf(spiffeId: string, now: EpochSeconds): ParentKind {
    if (this.#agents.has(spiffeId)) return "agent";
    const bearers = this.#bySpiffeId.get(spiffeId);
    if (bearers.length === 0) return "nobody";
    const live = bearers.filter((entry) => !isExpired(entry, now));
    if (live.length === 0) return "expired";
    return live.some(isNodeAlias) ? "alias" : "entry";
  }

  #walkFrom(agentId: string, live: (entry: EntryRecord) => boolean): Set<string> {
    const ids = new Set([agentId]);
    for (const { entry } of this.#aliases.within(this.#agents.of(agentId))) {
      if (live(entry)) ids.add(entry.spiffeId);
    }
    return ids;
  }

  /** Agents, known or not, that could serve an entry with this parent; at most `limit`. */
  agentsBelow(parentId: string, limit: number): string[] {
    const agents = new Set<string>();
    const parents = new Set([parentId]);
    // A Set hands out what is added while it is walked, and each parent once: cycles end.
    for (const parent of parents) {
      if (AGENT_ID.test(parent)) agents.add(parent);
      for (const entry of this.#bySpiffeId.get(parent)) {
        const alias = this.#aliases.get(entry.id);
        if (alias === undefined) {
          parents.add(entry.parentId);
          continue;
        }
        for (const agentId of this.#agents.holding(alias.selectors)) {
          agents.add(agentId);
          if (agents.size >= limit) return [...agents];
        }
      }
      if (agents.size >= limit) break;
    }
    return [...agents].slice(0, limit);
  }

  /** Adds to `agentIds` every agent, known or not, whose view these entries are or could lead to. */
  collectAgents(entryIds: Iterable<string>, agentIds: Set<string>): void {
    const seenAliases = new Set<string>();
    const parents = new Set<string>();
    const climb = (entry: EntryRecord): void => {
      const alias = this.#aliases.get(entry.id);
      if (alias === undefined) {
        parents.add(entry.parentId);
      } else if (!seenAliases.has(entry.id)) {
        seenAliases.add(entry.id);
        for (const agentId of this.#agents.holding(alias.selectors)) agentIds.add(agentId);
      }
    };
    for (const id of entryIds) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) climb(entry);
    }
    for (const parent of parents) {
      if (AGENT_ID.test(parent)) agentIds.add(parent);
      for (const entry of this.#bySpiffeId.get(parent)) climb(entry);
    }
  }
}

const AGENT_ID = /^spiffe:\/\/[^/]+\/spire\/agent\/./;
