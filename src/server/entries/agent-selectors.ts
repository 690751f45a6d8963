import { type Selector, formatSelector } from "../../spiffe/selector.ts";

/**
 * What the server knows of its agents' selectors, in both directions: an agent's set, and the agents whose set holds
 * all of some selectors. Each agent also has the selector `spiffe_id:<its ID>`, which nothing else can give it.
 */
export class AgentSelectors {
  readonly #byAgent = new Map<string, ReadonlySet<string>>();
  readonly #bySelector = new Map<string, Set<string>>();

  /** @returns whether anything changed */
  put(agentId: string, selectors: readonly Selector[]): boolean {
    const set = new Set([...attested(selectors), ownSelector(agentId)]);
    const old = this.#byAgent.get(agentId);
    if (old !== undefined && set.size === old.size && [...set].every((text) => old.has(text)))
      return false;
    this.delete(agentId);
    this.#byAgent.set(agentId, set);
    for (const selector of set) {
      const agents = this.#bySelector.get(selector);
      if (agents === undefined) this.#bySelector.set(selector, new Set([agentId]));
      else agents.add(agentId);
    }
    return true;
  }

  /** @returns whether there was one */
  delete(agentId: string): boolean {
    const old = this.#byAgent.get(agentId);
    if (old === undefined) return false;
    this.#byAgent.delete(agentId);
    for (const selector of old) {
      const agents = this.#bySelector.get(selector);
      agents?.delete(agentId);
      if (agents?.size === 0) this.#bySelector.delete(selector);
    }
    return true;
  }

  has(agentId: string): boolean {
    return this.#byAgent.has(agentId);
  }

  /** An agent that is not known (yet) has its own ID and nothing else. */
  of(agentId: string): ReadonlySet<string> {
    return this.#byAgent.get(agentId) ?? new Set([ownSelector(agentId)]);
  }

  /** The agents, known or not, that have all of `selectors` (at least one). */
  *holding(selectors: readonly string[]): Iterable<string> {
    const named = selectors.find((selector) => selector.startsWith(OWN));
    if (named !== undefined) {
      const agentId = named.slice(OWN.length);
      if (selectors.every((selector) => this.of(agentId).has(selector))) yield agentId;
      return;
    }
    let fewest: ReadonlySet<string> | undefined;
    for (const selector of selectors) {
      const agents = this.#bySelector.get(selector);
      if (agents === undefined) return;
      if (fewest === undefined || agents.size < fewest.size) fewest = agents;
    }
    for (const agentId of fewest ?? []) {
      const own = this.of(agentId);
      if (selectors.every((selector) => own.has(selector))) yield agentId;
    }
  }
}

/** True of an entry for an agent's own ID: another name for the agent, as join tokens give it, and no workload. */
export function isAgentSelf({ selectors }: { readonly selectors: readonly Selector[] }): boolean {
  return selectors.some(({ type }) => type === OWN_TYPE);
}

/** Attested selectors as texts. None of them may pass for the implicit one. */
function attested(selectors: readonly Selector[]): string[] {
  return selectors.filter(({ type }) => type !== OWN_TYPE).map(formatSelector);
}

function ownSelector(agentId: string): string {
  return OWN + agentId;
}

const OWN_TYPE = "spiffe_id";
const OWN = `${OWN_TYPE}:`;
