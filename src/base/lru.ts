/** A map with a bound: the least recently used entry goes first. */
export class LruMap<K, V> {
  #max: number;
  readonly #map = new Map<K, V>();
  /** Stands last already: who asks for one thing again and again need not have it moved. */
  #newest: K | undefined;

  constructor(max: number) {
    if (!(max >= 1)) throw new TypeError("an LRU map holds at least one entry");
    this.#max = max;
  }

  /** Another bound from now on; what is beyond it goes, the least recently used first. */
  resize(max: number): void {
    if (!(max >= 1)) throw new TypeError("an LRU map holds at least one entry");
    this.#max = max;
    for (const oldest of this.#map.keys()) {
      if (this.#map.size <= max) break;
      this.#map.delete(oldest);
    }
  }

  get size(): number {
    return this.#map.size;
  }

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
    if (this.#map.size > this.#max) {
      for (const oldest of this.#map.keys()) {
        this.#map.delete(oldest);
        break;
      }
    }
  }

  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }

  entries(): IterableIterator<[K, V]> {
    return this.#map.entries();
  }

  values(): IterableIterator<V> {
    return this.#map.values();
  }
}
