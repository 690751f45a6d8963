/** How many there are of each key. A key of which there is none takes no room, so keys may come from anybody. */
export class KeyedCounts<K> {
  readonly #counts = new Map<K, number>();

  /** Keys of which there is at least one. */
  get size(): number {
    return this.#counts.size;
  }

  of(key: K): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: K): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  /** Where there is none, none is taken. */
  remove(key: K): void {
    const left = this.of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}
