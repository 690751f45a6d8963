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
}

/** Between two states of the index, whose records are the same objects until they change. */
export function diffEntries(
  before: readonly EntryRecord[],
  after: readonly EntryRecord[],
): EntryDiff {
  if (before === after) return { upserts: [], removed: [] };
  const gone = new Map(before.map((entry) => [entry.id, entry]));
  const upserts: EntryRecord[] = [];
  for (const entry of after) {
    if (gone.get(entry.id) !== entry) upserts.push(entry);
    gone.delete(entry.id);
  }
  return { upserts, removed: [...gone.keys()] };
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
  return { upserts, removed: [...gone.keys()] };
}
