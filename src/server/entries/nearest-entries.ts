import { setImmediate } from "node:timers/promises";
import type { EpochSeconds } from "../../base/clock.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { compareEntries } from "./entry-order.ts";
import { isExpired } from "./expiry.ts";
import { isNodeAlias } from "./node-aliases.ts";

/** What bears the ID that an entry names as its parent. */
export type ParentKind = "nobody" | "agent" | "alias" | "entry" | "expired";

/** What `nearestEntries` reads: the graph of all entries. */
export interface EntrySource {
  entries(): Iterable<EntryRecord>;
  /** What bears an ID as seen by everyone. */
  kindOf(spiffeId: string, now: EpochSeconds): ParentKind;
}

export interface NearestParams {
  /** IDs whose entries the agent may fetch. */
  readonly parents: ReadonlySet<string>;
  /** A workload's. */
  readonly selectors: readonly Selector[];
  readonly now: EpochSeconds;
  readonly signal: AbortSignal;
}

export interface NearEntry {
  readonly entry: EntryRecord;
  /** Its selectors that the workload lacks: none or one. */
  readonly missing: readonly Selector[];
  readonly present: number;
  /** Why the agent does not serve it; none when it may. */
  readonly obstacles: readonly ("expired" | "parent" | "node_alias")[];
  /** For one whose parent is not the agent's. */
  readonly parentKind?: ParentKind;
}

/**
 * The entries that a workload with these selectors would match were they the agent's and valid: wholly, or but for one
 * selector where they share another. At most `MAX_NEAREST`, nearest first. Entries of the agent itself that match in
 * part are left out: it knows those. Looks at all entries, in slices between which others have their turn.
 * @throws the signal's reason
 */
export async function nearestEntries(
  source: EntrySource,
  { parents, selectors, now, signal }: NearestParams,
): Promise<NearEntry[]> {
  const has = valuesByType(selectors);
  const best: NearEntry[] = [];
  let seen = 0;
  for (const entry of source.entries()) {
    seen += 1;
    if (seen % SLICE === 0) {
      await setImmediate();
      signal.throwIfAborted();
    }
    const missing = missingOf(entry, has);
    if (missing === undefined) continue;
    const why = standing(source, entry, parents, now);
    if (why.obstacles.length === 0 && missing.length > 0) continue;
    const present = entry.selectors.length - missing.length;
    keepBest(best, { entry, missing, present, ...why });
  }
  return best;
}

/** For looking at all entries without making a text of each selector. */
type ValuesByType = ReadonlyMap<string, ReadonlySet<string>>;

function valuesByType(selectors: readonly Selector[]): ValuesByType {
  const values = new Map<string, Set<string>>();
  for (const { type, value } of selectors) {
    const known = values.get(type);
    if (known === undefined) values.set(type, new Set([value]));
    else known.add(value);
  }
  return values;
}

/** `undefined`: not near. */
function missingOf({ selectors }: EntryRecord, has: ValuesByType): readonly Selector[] | undefined {
  let lacking: Selector | undefined;
  for (const selector of selectors) {
    if (has.get(selector.type)?.has(selector.value) === true) continue;
    if (lacking !== undefined) return undefined;
    lacking = selector;
  }
  if (lacking === undefined) return NOTHING;
  return selectors.length > 1 ? [lacking] : undefined;
}

function standing(
  source: EntrySource,
  entry: EntryRecord,
  parents: ReadonlySet<string>,
  now: EpochSeconds,
): Pick<NearEntry, "obstacles" | "parentKind"> {
  if (isNodeAlias(entry)) return { obstacles: ["node_alias"] };
  const expired = isExpired(entry, now) ? (["expired"] as const) : [];
  if (parents.has(entry.parentId)) return { obstacles: expired };
  return {
    obstacles: [...expired, "parent"],
    parentKind: source.kindOf(entry.parentId, now),
  };
}

function keepBest(best: NearEntry[], candidate: NearEntry): void {
  const last = best.at(-1);
  if (last !== undefined && best.length >= MAX_NEAREST && compareNear(candidate, last) >= 0) return;
  const at = best.findIndex((other) => compareNear(candidate, other) < 0);
  best.splice(at < 0 ? best.length : at, 0, candidate);
  if (best.length > MAX_NEAREST) best.pop();
}

/** The fewest missing first, then the likeliest to be meant for this agent, then the most in common, then the oldest. */
function compareNear(a: NearEntry, b: NearEntry): number {
  return (
    a.missing.length - b.missing.length ||
    distance(a) - distance(b) ||
    b.present - a.present ||
    compareEntries(a.entry, b.entry)
  );
}

function distance({ parentKind }: NearEntry): number {
  if (parentKind === undefined) return 0;
  // An ID that nobody has was probably meant to be another one.
  return parentKind === "nobody" || parentKind === "expired" ? 1 : 2;
}

const MAX_NEAREST = 10;
const NOTHING: readonly Selector[] = [];
/** Some 2 ms of work. */
const SLICE = 2000;
