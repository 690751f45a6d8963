import type { Clock } from "../base/clock.ts";
import { PROCESS_METRICS } from "./metric-names.ts";
import type { MetricSpec, Metrics } from "./metrics.ts";

export interface ProcessMetricsParams {
  readonly clock: Clock;
  readonly version: string;
  readonly trustDomain: string;
  readonly started: MetricSpec;
  readonly uptime: MetricSpec;
}

/** What every process shows of itself. */
export function readProcess(metrics: Metrics, params: ProcessMetricsParams): void {
  const { clock, started, uptime, version, trustDomain } = params;
  const startMs = clock.nowMs();
  metrics.read(started, () => [{ labels: [version, trustDomain], value: 1 }]);
  metrics.read(uptime, () => [{ labels: [], value: clock.nowMs() - startMs }]);
  metrics.read(PROCESS_METRICS.startTime, () => [{ labels: [], value: startMs / 1000 }]);
  metrics.read(PROCESS_METRICS.memory, () => [{ labels: [], value: process.memoryUsage.rss() }]);
  metrics.read(PROCESS_METRICS.cpu, () => {
    const { user, system } = process.cpuUsage();
    return [{ labels: [], value: (user + system) / 1e6 }];
  });
}
