import { errorFrom } from "../../base/errors.ts";
import { AGENT_METRICS, callMetrics } from "../../observe/metric-names.ts";
import type { Metrics, Tally } from "../../observe/metrics.ts";
import { statusName } from "../../rpc/status.ts";

/** The work of a method, which counts and times each call; what a workload was refused for counts apart. */
export function counted<C>(
  path: string,
  metrics: Metrics,
  work: (call: C) => Promise<void>,
): (call: C) => Promise<void> {
  const { count, elapsed } = callMetrics("agent", path);
  // Looked up once, and shown from the first call on.
  let calls: Tally | undefined;
  const outcomes = new Map<string, readonly [count: Tally, elapsed: Tally]>();
  const note = (status: string, startMs: number): void => {
    let outcome = outcomes.get(status);
    if (outcome === undefined) {
      outcome = [metrics.tally(count, [status]), metrics.tally(elapsed, [status])];
      outcomes.set(status, outcome);
    }
    outcome[0].add();
    outcome[1].observe(performance.now() - startMs);
  };
  // Each promise between a call and its end is one that every call pays for.
  return async (call) => {
    (calls ??= metrics.tally(AGENT_METRICS.calls)).add();
    const startMs = performance.now();
    try {
      await work(call);
      note(statusName(undefined), startMs);
    } catch (thrown) {
      note(statusName(thrown), startMs);
      const { kind } = errorFrom(thrown);
      if (kind !== "cancelled") metrics.add(AGENT_METRICS.refusals, [kind]);
      throw thrown;
    }
  };
}
