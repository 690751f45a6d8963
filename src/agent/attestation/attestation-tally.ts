import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics, Tally } from "../../observe/metrics.ts";
import { statusName } from "../../rpc/status.ts";
import type { Selector } from "../../spiffe/selector.ts";

/** Counts and times attestations by what came of them; each metric is looked up once, when it is first written. */
export class AttestationTally {
  readonly #metrics: Metrics;
  readonly #outcomes = new Map<string, readonly [count: Tally, elapsed: Tally]>();
  #selectors: Tally | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** @param thrown what it failed with; undefined when `found` is its answer */
  note(thrown: unknown, startMs: number, found?: readonly Selector[]): void {
    const { attestations, attestationTime, selectors } = AGENT_METRICS;
    const status = statusName(thrown);
    let outcome = this.#outcomes.get(status);
    if (outcome === undefined) {
      const metrics = this.#metrics;
      outcome = [metrics.tally(attestations, [status]), metrics.tally(attestationTime, [status])];
      this.#outcomes.set(status, outcome);
    }
    outcome[0].add();
    outcome[1].observe(performance.now() - startMs);
    if (found === undefined) return;
    (this.#selectors ??= this.#metrics.tally(selectors)).observe(found.length);
  }
}
