import type { EntryRecord } from "../datastore/contract.ts";

/** What an agent says it holds of an entry. */
export interface HeldEntry {
  readonly id: string;
  readonly revisionNumber: number;
  readonly createdAt: number;
}

/** What makes one list of entries into another. */
export interface EntryDiff {
  readonly upserts: readonly EntryRecord[];
  /** Ids. */
  readonly removed: readonly string[];
  /** Ids of those among `upserts` that are as before but for their revision: an operator wants new SVIDs. */
  readonly rotated: readonly string[];
}

/** Between two states of the index, whose records are the same objects until they change. */
export function diffEntries(
  before: readonly EntryRecord[],
  after: readonly EntryRecord[],
): EntryDiff {
  // Most of two states is the same, and in the same order.
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const gone = new Map(before.slice(head, before.length - tail).map((entry) => [entry.id, entry]));
  const upserts: EntryRecord[] = [];
  const rotated: string[] = [];
  for (const entry of after.slice(head, after.length - tail)) {
    const known = gone.get(entry.id);
    if (known !== entry) upserts.push(entry);
    if (known !== undefined && isRotation(known, entry)) rotated.push(entry.id);
    gone.delete(entry.id);
  }
  return { upserts, removed: [...gone.keys()], rotated };
}

/** Between what an agent holds since before and what it may have now. */
export function diffHeld(held: readonly HeldEntry[], after: readonly EntryRecord[]): EntryDiff {
  const gone = new Map(held.map((entry) => [entry.id, entry]));
  const upserts: EntryRecord[] = [];
  for (const entry of after) {
    const known = gone.get(entry.id);
    gone.delete(entry.id);
    const isSame =
      known?.revisionNumber === entry.revisionNumber && known.createdAt === entry.createdAt;
    if (!isSame) upserts.push(entry);
  }
  return { upserts, removed: [...gone.keys()], rotated: [] };
}

function isRotation(before: EntryRecord, after: EntryRecord): boolean {
  const { revisionNumber } = after;
  return (
    before.revisionNumber < revisionNumber &&
    JSON.stringify({ ...before, revisionNumber }) === JSON.stringify(after)
  );
}
