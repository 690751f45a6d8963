import type { EntryRecord } from "../contract.ts";
import { SqliteEntryReader } from "./entries.ts";

/**
 * Reads entries; those that were just written, and that whoever follows the change feed asks for at once, without reading
 * them again.
 */
export class RecentEntries extends SqliteEntryReader {
  readonly #recent = new Map<string, EntryRecord>();

  /** Of a commit, at once after it; `undefined` for one that is no more. */
  took(entries: ReadonlyMap<string, EntryRecord | undefined>): void {
    for (const [id, entry] of entries) {
      this.#recent.delete(id);
      if (entry !== undefined) this.#recent.set(id, entry);
    }
    for (const id of this.#recent.keys()) {
      if (this.#recent.size <= MAX_RECENT) break;
      this.#recent.delete(id);
    }
  }

  override async getMany(ids: readonly string[]): Promise<readonly EntryRecord[]> {
    const found: EntryRecord[] = [];
    const others: string[] = [];
    for (const id of ids) {
      const entry = this.#recent.get(id);
      if (entry === undefined) others.push(id);
      else found.push(entry);
    }
    if (others.length > 0) found.push(...(await super.getMany(others)));
    return found;
  }
}

/** More than are written while one who follows is away. */
const MAX_RECENT = 2000;
