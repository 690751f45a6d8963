import { type Selector, canonicalSelectors } from "../../spiffe/selector.ts";

/**
 * Sorts the selectors of all attestors into one list. Attestors give the same frozen arrays for the same facts, so that
 * a kind of process is sorted once: a tree by these arrays, each kept only as long as its attestor keeps it.
 */
export class CanonicalLists {
  readonly #root = new Node();

  of(found: readonly (readonly Selector[])[]): readonly Selector[] {
    if (!found.every(Object.isFrozen)) return canonicalSelectors(found.flat());
    let node = this.#root;
    for (const selectors of found) {
      if (selectors.length > 0) node = node.next(selectors);
    }
    node.list ??= Object.freeze(canonicalSelectors(found.flat()));
    return node.list;
  }
}

class Node {
  list: readonly Selector[] | undefined;
  readonly #next = new WeakMap<readonly Selector[], Node>();

  next(selectors: readonly Selector[]): Node {
    let next = this.#next.get(selectors);
    if (next === undefined) {
      next = new Node();
      this.#next.set(selectors, next);
    }
    return next;
  }
}
