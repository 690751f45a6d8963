import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";

/** Measures how long changes take from their commit to agents' streams. */
export class Propagation {
  readonly #metrics: Metrics;
  /** By revision, in order: milliseconds of the process's own clock. */
  readonly #committed = new Map<number, number>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  committed(revision: number): void {
    this.#committed.set(revision, performance.now());
    if (this.#committed.size <= MAX_REVISIONS) return;
    for (const oldest of this.#committed.keys()) {
      this.#committed.delete(oldest);
      break;
    }
  }

  /** An agent was sent all there is up to this revision. */
  told(revision: number): void {
    const atMs = this.#committed.get(revision);
    if (atMs === undefined) return; // another server's, or of long ago
    this.#metrics.observe(SERVER_METRICS.propagation, [], (performance.now() - atMs) / 1000);
  }
}

const MAX_REVISIONS = 1000;
