import type { Bundle } from "../../spiffe/bundle.ts";

/** Every bundle that the server told the agent of, and who follows them all. */
export class KnownBundles {
  #all: readonly Bundle[] = [];
  readonly #listeners = new Set<(all: readonly Bundle[]) => void>();

  /** Takes over a sync; bundles that did not change are the same objects as before. */
  take(own: Bundle, foreign: ReadonlyMap<string, Bundle>): void {
    const all = [own, ...foreign.values()];
    const before = this.#all;
    if (all.length === before.length && all.every((bundle, i) => bundle === before[i])) return;
    this.#all = all;
    for (const listener of this.#listeners) listener(all);
  }

  /** Of a trust domain; undefined for one that the agent was not told of. */
  of(trustDomain: string): Bundle | undefined {
    return this.#all.find((bundle) => bundle.trustDomain === trustDomain);
  }

  /** Tells of all of them, the own one first: at once where they are known, and after each change. @returns how to stop */
  follow(listener: (all: readonly Bundle[]) => void): () => void {
    this.#listeners.add(listener);
    if (this.#all.length > 0) listener(this.#all);
    return () => this.#listeners.delete(listener);
  }
}
