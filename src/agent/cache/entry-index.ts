import { KeyedCounts } from "../../base/keyed-counts.ts";
import { type Selector, formatSelector } from "../../spiffe/selector.ts";
import { type Entry, compareEntries } from "./entry.ts";

/**
 * Finds the entries whose selectors are all among a workload's. Each entry stands in the list of one selector only,
 * the rarest it has, so that a selector shared by all (`unix:uid:0`) makes no lookup long.
 */
export class EntryIndex {
  readonly #entries = new Map<string, { entry: Entry; selectors: readonly string[]; at: string }>();
  /** How many came, changed and went so far. */
  readonly changes = { added: 0, updated: 0, removed: 0 };
  readonly #bySelector = new Map<string, Set<string>>();

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id)?.entry;
  }

  *entries(): IterableIterator<Entry> {
    for (const { entry } of this.#entries.values()) yield entry;
  }

  /** Those that are one identity each. A list: where they are very many, a generator costs three times as much. */
  withoutTemplates(): Entry[] {
    const found: Entry[] = [];
    for (const { entry } of this.#entries.values()) {
      if (entry.template === undefined) found.push(entry);
    }
    return found;
  }

  /**
   * Takes over a set of entries without those that `isOver` names.
   * @param touched the ids to look at; all of them unless given
   * @param onChange told of each entry that changed or, without `after`, is no more
   * @returns the ids that came, went or changed
   */
  replace(
    entries: ReadonlyMap<string, Entry>,
    isOver: (entry: Entry) => boolean = () => false,
    touched: Iterable<string> = new Set([...this.#entries.keys(), ...entries.keys()]),
    onChange: (before: Entry, after: Entry | undefined) => void = () => undefined,
  ): Set<string> {
    const changed = new Set<string>();
    const fresh: Entry[] = [];
    for (const id of touched) {
      const before = this.#entries.get(id)?.entry;
      const given = entries.get(id);
      const after = given === undefined || isOver(given) ? undefined : given;
      if (after === before) continue;
      if (before !== undefined) this.#remove(id);
      if (after !== undefined) fresh.push(after);
      if (before !== undefined) onChange(before, after);
      changed.add(id);
      const kind = before === undefined ? "added" : after === undefined ? "removed" : "updated";
      this.changes[kind] += 1;
    }
    const counts = new KeyedCounts<string>();
    for (const { selectors } of fresh) {
      for (const selector of selectors) {
        counts.add(formatSelector(selector));
      }
    }
    for (const entry of fresh) this.#add(entry, counts);
    return changed;
  }

  /** In the order of `compareEntries`. */
  match(selectors: readonly Selector[]): Entry[] {
    const has = new Set(selectors.map(formatSelector));
    const found: Entry[] = [];
    for (const selector of has) {
      for (const id of this.#bySelector.get(selector) ?? []) {
        const known = this.#entries.get(id);
        if (known?.selectors.every((text) => has.has(text))) found.push(known.entry);
      }
    }
    return found.sort(compareEntries);
  }

  #add(entry: Entry, counts: KeyedCounts<string>): void {
    const selectors = entry.selectors.map(formatSelector);
    let at: string | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const selector of selectors) {
      const count = counts.of(selector) + (this.#bySelector.get(selector)?.size ?? 0);
      if (count < least) {
        at = selector;
        least = count;
      }
    }
    // An entry without selectors matches nobody.
    if (at === undefined) return;
    this.#entries.set(entry.id, { entry, selectors, at });
    const ids = this.#bySelector.get(at);
    if (ids === undefined) this.#bySelector.set(at, new Set([entry.id]));
    else ids.add(entry.id);
  }

  #remove(id: string): void {
    const known = this.#entries.get(id);
    if (known === undefined) return;
    this.#entries.delete(id);
    const ids = this.#bySelector.get(known.at);
    ids?.delete(id);
    if (ids?.size === 0) this.#bySelector.delete(known.at);
  }
}
