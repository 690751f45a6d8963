import { Networks } from "../../../../base/networks.ts";
import type { PolicyIdentifier } from "../contract.ts";

/**
 * A list of names and networks, for fast answers. `a.example.org` is that name; `.example.org` all below it, but no
 * wildcards; `*.example.org` that wildcard, and the names that it covers.
 */
export class NameRules {
  readonly #names: ReadonlySet<string>;
  readonly #networks: Networks;

  /** @param names lower case @throws invalid for a network that is none */
  constructor(names: readonly string[], networks: readonly string[]) {
    this.#names = new Set(names);
    this.#networks = Networks.parse(networks);
  }

  allows({ type, value, wildcard }: PolicyIdentifier): boolean {
    if (type === "ip") return this.#networks.has(value);
    const above = value.indexOf(".");
    if (wildcard) return this.#names.has(`*.${value}`);
    if (this.#names.has(value)) return true;
    if (above >= 0 && this.#names.has(`*${value.slice(above)}`)) return true;
    for (let at = above; at >= 0; at = value.indexOf(".", at + 1)) {
      if (this.#names.has(value.slice(at))) return true;
    }
    return false;
  }
}
