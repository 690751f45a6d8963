/** Which of the agent's entries a process comes near to, and what each of them lacks. */
import type { EpochSeconds } from "../../base/clock.ts";
import type { Obstacle } from "../../rpc/gen/assay/explain/v1/Obstacle.ts";
import { type Selector, formatSelector } from "../../spiffe/selector.ts";
import type { Cache } from "../cache/cache.ts";
import { type Entry, compareEntries, isExpired } from "../cache/entry.ts";
import { missingSelectors } from "./selector-mismatch.ts";
import { isUnfilled } from "./unfilled-template.ts";

export interface NearEntry {
  readonly entry: Entry;
  readonly missing: readonly Selector[];
  /** None for one that gives the process an identity. */
  readonly obstacles: readonly Obstacle[];
  /** When the agent lost it, epoch seconds; 0 = it holds it. */
  readonly removedAt: EpochSeconds;
}

export interface OwnEntries {
  readonly matching: readonly NearEntry[];
  /** Nearest first, bounded. */
  readonly nearest: readonly NearEntry[];
}

/** Looks at every entry that the agent holds, and at those that matched until lately. */
export function ownEntries(
  cache: Pick<Cache, "match" | "entries" | "departed" | "svidState">,
  selectors: readonly Selector[],
  now: EpochSeconds,
): OwnEntries {
  const has = new Set(selectors.map(formatSelector));
  const served = new Map(cache.match(selectors).map((entry) => [registeredId(entry), entry]));
  const near: NearEntry[] = [];
  const consider = (candidate: NearEntry): void => {
    near.push(candidate);
    // The nearest are found without keeping all of a large registry.
    if (near.length >= MAX_GATHERED) near.sort(compareNear).splice(MAX_NEAREST);
  };
  const matching: NearEntry[] = [];
  for (const entry of cache.entries.values()) {
    // Nobody expects a workload to have it.
    if (entry.isNodeAlias) continue;
    const missing = missingSelectors(entry.selectors, has);
    const member = served.get(entry.id);
    const obstacles = obstaclesOf({ entry, missing, served: member }, cache, now);
    if (obstacles[0] === "SAME_HINT" && isUnfilled(entry, selectors)) obstacles[0] = "TEMPLATE";
    // Of a family the member that the process is.
    const found = { entry: member ?? entry, missing, obstacles, removedAt: 0 };
    if (obstacles.length === 0) matching.push(found);
    else consider(found);
  }
  for (const { entry, at } of cache.departed) {
    if (cache.entries.has(entry.id)) continue;
    if (missingSelectors(entry.selectors, has).length > 0) continue;
    const obstacles: Obstacle[] = [isExpired(entry, now) ? "EXPIRED" : "REMOVED"];
    consider({ entry, missing: [], obstacles, removedAt: at });
  }
  matching.sort((a, b) => compareEntries(a.entry, b.entry));
  return { matching, nearest: near.sort(compareNear).slice(0, MAX_NEAREST) };
}

/** The id that the server has for it, as a member is known by its family. */
export function registeredId({ id, member }: Entry): string {
  return member?.entryId ?? id;
}

/** An entry beside what the process has of it. */
interface Candidate {
  readonly entry: Entry;
  readonly missing: readonly Selector[];
  /** The entry, or the member of its family, that the process is given; absent when it is given none. */
  readonly served: Entry | undefined;
}

function obstaclesOf(
  { entry, missing, served }: Candidate,
  cache: Pick<Cache, "svidState">,
  now: EpochSeconds,
): Obstacle[] {
  const obstacles: Obstacle[] = [];
  if (isExpired(entry, now)) obstacles.push("EXPIRED");
  if (missing.length > 0) obstacles.push("SELECTORS");
  if (entry.storeSvid) obstacles.push("STORED");
  if (obstacles.length > 0) return obstacles;
  if (served === undefined) return ["SAME_HINT"];
  const { expiresAt, failed } = cache.svidState(served);
  return failed && expiresAt === undefined ? ["NOT_SIGNED"] : [];
}

/** The fewest missing first; of those what is still held, then what has the most in common, then the oldest. */
function compareNear(a: NearEntry, b: NearEntry): number {
  return (
    a.missing.length - b.missing.length ||
    Number(a.removedAt !== 0) - Number(b.removedAt !== 0) ||
    b.entry.selectors.length - a.entry.selectors.length ||
    compareEntries(a.entry, b.entry)
  );
}

/** How many are named at most. */
export const MAX_NEAREST = 10;
const MAX_GATHERED = 1000;
