import type { EntryRecord } from "../datastore/contract.ts";

/** The one order of entries: creation, then id. */
export function compareEntries(a: EntryRecord, b: EntryRecord): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}

/** Where `entry` stands in the ordered list, or would stand. */
export function searchEntry(list: readonly EntryRecord[], entry: EntryRecord): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = list[middle];
    if (other !== undefined && compareEntries(other, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Lists of entries by a key, each in order. */
export class OrderedGroups {
  readonly #groups = new Map<string, EntryRecord[]>();

  get(key: string): readonly EntryRecord[] {
    return this.#groups.get(key) ?? NONE;
  }

  has(key: string): boolean {
    return this.#groups.has(key);
  }

  add(key: string, entry: EntryRecord): void {
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, [entry]);
      return;
    }
    const last = group.at(-1);
    // Loading comes in order.
    if (last !== undefined && compareEntries(last, entry) < 0) group.push(entry);
    else group.splice(searchEntry(group, entry), 0, entry);
  }

  remove(key: string, entry: EntryRecord): void {
    const group = this.#groups.get(key);
    if (group === undefined) return;
    const at = searchEntry(group, entry);
    if (group[at]?.id === entry.id) group.splice(at, 1);
    if (group.length === 0) this.#groups.delete(key);
  }
}

const NONE: readonly EntryRecord[] = Object.freeze([]);
