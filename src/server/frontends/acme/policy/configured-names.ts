import { type Clock, epochSeconds } from "../../../../base/clock.ts";
import type { AcmeNamesConfig } from "../../../../config/sections/acme-names-section.ts";
import type { Datastore } from "../../../datastore/contract.ts";
import type { NamePolicy, PolicyIdentifier, PolicyParams, RefusedIdentifier } from "../contract.ts";
import { NameRules } from "./name-rules.ts";

export interface ConfiguredNamesOptions {
  /** As it is at first. */
  readonly config: AcmeNamesConfig;
  readonly store: Pick<Datastore, "acmeExternalAccounts" | "entries">;
  readonly clock: Clock;
}

/**
 * Which names an account may have: those of the external account it is bound to, where that has any; the DNS names of
 * the entry that one is for; else what the operator listed for all. What is nowhere listed nobody has.
 */
export class ConfiguredNames implements NamePolicy {
  readonly #options: ConfiguredNamesOptions;
  #config: AcmeNamesConfig;
  #everyones: NameRules;

  /** @throws invalid for networks that are none */
  constructor(options: ConfiguredNamesOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#everyones = new NameRules(options.config.dns, options.config.ip);
  }

  /** @returns what makes the next lists count @throws invalid for networks that are none */
  change(next: AcmeNamesConfig): () => void {
    const rules = new NameRules(next.dns, next.ip);
    return () => {
      this.#config = next;
      this.#everyones = rules;
    };
  }

  async check({ account, identifiers }: PolicyParams): Promise<readonly RefusedIdentifier[]> {
    const rules = await this.#rulesOf(account.externalAccountId);
    return identifiers
      .filter((identifier) => rules?.allows(identifier) !== true)
      .map((identifier) => refused(identifier, rules !== undefined));
  }

  /** @returns undefined when the external account was taken back, or its entry has ended */
  async #rulesOf(externalAccountId: string | undefined): Promise<NameRules | undefined> {
    const { store, clock } = this.#options;
    if (externalAccountId === undefined) {
      // Accounts from before the operator asked for external ones.
      return this.#config.externalAccountRequired ? undefined : this.#everyones;
    }
    const external = await store.acmeExternalAccounts.get(externalAccountId);
    if (external === undefined) return undefined;
    const { names, networks, entryId } = external;
    if (names.length + networks.length > 0) return new NameRules(names, networks);
    if (entryId === "") return this.#everyones;
    const entry = await store.entries.get(entryId);
    // An expired one is there until it is pruned.
    const isLive =
      entry !== undefined && (entry.expiresAt === 0 || entry.expiresAt > epochSeconds(clock));
    if (!isLive) return undefined;
    const own = entry.dnsNames.map((name) => name.toLowerCase());
    return new NameRules(own, []);
  }
}

function refused(identifier: PolicyIdentifier, hasRules: boolean): RefusedIdentifier {
  const name = `${identifier.wildcard ? "*." : ""}${identifier.value}`;
  const detail = hasRules
    ? `${name} is not among the names that this account may have; the operator of this server can list it`
    : `this account may have no names any more: what it is bound to was taken back or has expired`;
  return { identifier, problem: { type: "rejectedIdentifier", detail } };
}
