import { isAmongNames } from "../../attestors/selector-types.ts";
import { formatSelector } from "../../spiffe/selector.ts";
import type { EntryRecord, NodeReader } from "../datastore/contract.ts";
import type { AuthorizedEntries } from "./authorized-entries.ts";
import { isNodeAlias } from "./node-aliases.ts";

export interface ReachOptions {
  readonly index: Pick<AuthorizedEntries, "agentsBelow" | "refresh">;
  readonly nodes: Pick<NodeReader, "get">;
}

/** What the agents below a parent tell of themselves: the names that each kind of them can emit. */
type NameSets = readonly ReadonlySet<string>[];

/**
 * Tells entries that no workload will ever match, because every agent that could serve them lacks an attestor for one of
 * their selectors. What agents say of themselves is proven by nobody: it warns and refuses nothing. An agent that said
 * nothing (not ours, or not attested yet) may find anything out.
 */
export class Reach {
  readonly #options: ReachOptions;

  constructor(options: ReachOptions) {
    this.#options = options;
  }

  /** One sentence, or nothing, for each entry. */
  async warnings(entries: readonly EntryRecord[]): Promise<(string | undefined)[]> {
    await this.#options.index.refresh();
    const known = new Map<string, NameSets | undefined>();
    const warnings: (string | undefined)[] = [];
    for (const entry of entries) {
      // A node alias groups agents by what the server found out; a join token's names its agent alone.
      // The selectors of a stored SVID say where it goes.
      if (isNodeAlias(entry) || isTokenAlias(entry) || entry.storeSvid) {
        warnings.push(undefined);
        continue;
      }
      if (!known.has(entry.parentId)) known.set(entry.parentId, await this.#names(entry.parentId));
      warnings.push(warning(entry, known.get(entry.parentId)));
    }
    return warnings;
  }

  /** `undefined` where an agent may find out anything. */
  async #names(parentId: string): Promise<NameSets | undefined> {
    const agents = this.#options.index.agentsBelow(parentId, MAX_AGENTS + 1);
    if (agents.length === 0 || agents.length > MAX_AGENTS) return undefined;
    const sets = new Map<string, ReadonlySet<string>>();
    for (const agent of agents) {
      const names = namesOf((await this.#options.nodes.get(agent))?.hostFacts ?? "");
      if (names.length === 0) return undefined;
      sets.set(names.join(), new Set(names));
    }
    return [...sets.values()];
  }
}

/** As `CreateJoinToken` makes it: a second ID for the very agent that is its parent. */
function isTokenAlias({ parentId, selectors }: EntryRecord): boolean {
  return selectors.every(({ type, value }) => type === "spiffe_id" && value === parentId);
}

function warning(entry: EntryRecord, sets: NameSets | undefined): string | undefined {
  if (sets === undefined || sets.length === 0) return undefined;
  const missing = sets.map((names) => entry.selectors.find((each) => !isAmongNames(each, names)));
  const [first] = missing;
  if (first === undefined || missing.includes(undefined)) return undefined;
  return `no agent below ${entry.parentId} finds out ${formatSelector(first)}: none of them has an attestor for it; the entry matches nobody until one has`;
}

/** The names that an agent reported (assay.agent.v1); none where it reported nothing that can be read. */
function namesOf(hostFacts: string): readonly string[] {
  if (hostFacts === "") return [];
  try {
    const { selector_names: names } = JSON.parse(hostFacts) as { selector_names?: unknown };
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** Below a parent with more agents nothing is said. */
const MAX_AGENTS = 1000;
