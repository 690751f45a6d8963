import { formatSelector } from "../../spiffe/selector.ts";
import type { EntryRecord } from "../datastore/contract.ts";

/** An entry under the server's own ID: it names a group of agents by their selectors and is no identity itself. */
export interface NodeAlias {
  readonly entry: EntryRecord;
  readonly selectors: readonly string[];
}

/** True when the parent is `/spire/server` of a trust domain. */
export function isNodeAlias(entry: EntryRecord): boolean {
  return SERVER_ID.test(entry.parentId);
}

/**
 * The node aliases, found by an agent's selectors. Each alias is filed under one of its selectors only: the one that
 * the fewest aliases are filed under, so that a selector that all agents share does not become a list of all aliases.
 */
export class NodeAliases {
  readonly #byId = new Map<string, { alias: NodeAlias; filedUnder: string }>();
  readonly #bySelector = new Map<string, Map<string, NodeAlias>>();

  put(entry: EntryRecord): NodeAlias {
    this.delete(entry.id);
    const selectors = entry.selectors.map(formatSelector);
    const alias = { entry, selectors };
    const filedUnder = selectors.reduce((best, selector) =>
      this.#filed(selector) < this.#filed(best) ? selector : best,
    );
    this.#byId.set(entry.id, { alias, filedUnder });
    const bucket = this.#bySelector.get(filedUnder);
    if (bucket === undefined) this.#bySelector.set(filedUnder, new Map([[entry.id, alias]]));
    else bucket.set(entry.id, alias);
    return alias;
  }

  get(entryId: string): NodeAlias | undefined {
    return this.#byId.get(entryId)?.alias;
  }

  delete(entryId: string): void {
    const old = this.#byId.get(entryId);
    if (old === undefined) return;
    this.#byId.delete(entryId);
    const bucket = this.#bySelector.get(old.filedUnder);
    bucket?.delete(entryId);
    if (bucket?.size === 0) this.#bySelector.delete(old.filedUnder);
  }

  /** The aliases whose selectors are all among `selectors`. */
  *within(selectors: ReadonlySet<string>): Iterable<NodeAlias> {
    for (const selector of selectors) {
      for (const alias of this.#bySelector.get(selector)?.values() ?? []) {
        if (alias.selectors.every((wanted) => selectors.has(wanted))) yield alias;
      }
    }
  }

  #filed(selector: string): number {
    return this.#bySelector.get(selector)?.size ?? 0;
  }
}

const SERVER_ID = /^spiffe:\/\/[^/]+\/spire\/server$/;
