import { errorFrom } from "../../base/errors.ts";
import { AGENT_METRICS, callMetrics } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { statusName } from "../../rpc/status.ts";

/** Counts and times a workload's call; what it was refused for counts apart. */
export async function counted(
  path: string,
  metrics: Metrics,
  work: () => Promise<void>,
): Promise<void> {
  metrics.add(AGENT_METRICS.calls);
  // Not by way of `metered`: each promise between a call and its end is one that every call pays for.
  const { count, elapsed } = callMetrics("agent", path);
  const startMs = performance.now();
  const note = (status: string): void => {
    metrics.add(count, [status]);
    metrics.observe(elapsed, [status], performance.now() - startMs);
  };
  try {
    await work();
    note(statusName(undefined));
  } catch (thrown) {
    note(statusName(thrown));
    const { kind } = errorFrom(thrown);
    if (kind !== "cancelled") metrics.add(AGENT_METRICS.refusals, [kind]);
    throw thrown;
  }
}
