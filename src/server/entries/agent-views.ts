import type { AgentView } from "./entry-graph.ts";

/** Views by agent, the longest unused ones dropped when there are too many agents or list items. */
export class AgentViews {
  readonly #views = new Map<string, AgentView>();
  readonly #maxViews: number;
  readonly #maxItems: number;
  #items = 0;

  constructor(maxViews: number = MAX_VIEWS, maxItems: number = MAX_ITEMS) {
    this.#maxViews = maxViews;
    this.#maxItems = maxItems;
  }

  get size(): number {
    return this.#views.size;
  }

  get(agentId: string): AgentView | undefined {
    const view = this.#views.get(agentId);
    if (view === undefined) return undefined;
    this.#views.delete(agentId);
    this.#views.set(agentId, view);
    return view;
  }

  set(agentId: string, view: AgentView): void {
    this.delete(agentId);
    this.#views.set(agentId, view);
    this.#items += view.entries.length;
    for (const oldest of this.#views.keys()) {
      if (this.#views.size <= this.#maxViews && this.#items <= this.#maxItems) break;
      if (oldest !== agentId) this.delete(oldest);
    }
  }

  delete(agentId: string): void {
    const view = this.#views.get(agentId);
    if (view === undefined) return;
    this.#views.delete(agentId);
    this.#items -= view.entries.length;
  }

  clear(): void {
    this.#views.clear();
    this.#items = 0;
  }
}

const MAX_VIEWS = 100_000;
/** 8 bytes each. */
const MAX_ITEMS = 20_000_000;
