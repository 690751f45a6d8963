/** A map with a bound: the least recently used entry goes first. */
export class LruMap<K, V> {
  #max: number;
  readonly #map = new Map<K, V>();
  readonly #onEvict: ((value: V) => void) | undefined;
  /** Stands last already: who asks for one thing again and again need not have it moved. */
  #newest: K | undefined;

  /** @param onEvict told of each value that goes for want of room */
  constructor(max: number, onEvict?: (value: V) => void) {
    if (!(max >= 1)) throw new TypeError("an LRU map holds at least one entry");
    this.#max = max;
    this.#onEvict = onEvict;
  }

  /** Another bound from now on; what is beyond it goes, the least recently used first. */
  resize(max: number): void {
    if (!(max >= 1)) throw new TypeError("an LRU map holds at least one entry");
    this.#max = max;
    while (this.#map.size > max) this.#evict();
  }

  get size(): number {
    return this.#map.size;
  }

  /** The entry counts as used now. */
  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (value === undefined || key === this.#newest) return value;
    this.#map.delete(key);
    this.#map.set(key, value);
    this.#newest = key;
    return value;
  }

  set(key: K, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    this.#newest = key;
    if (this.#map.size > this.#max) this.#evict();
  }

  #evict(): void {
    for (const [oldest, value] of this.#map) {
      this.#map.delete(oldest);
      this.#onEvict?.(value);
      return;
    }
  }

  /** Nobody is told of it. @returns whether there was one */
  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }

  /** Least recently used first; looking at them uses none. */
  entries(): IterableIterator<[K, V]> {
    return this.#map.entries();
  }

  values(): IterableIterator<V> {
    return this.#map.values();
  }
}
