import { errorFrom } from "../../base/errors.ts";
import { metered } from "../../observe/metered.ts";
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
  try {
    await metered(metrics, callMetrics("agent", path), work, statusName);
  } catch (thrown) {
    const { kind } = errorFrom(thrown);
    if (kind !== "cancelled") metrics.add(AGENT_METRICS.refusals, [kind]);
    throw thrown;
  }
}
