import type { CallMetrics } from "./metric-names.ts";
import type { Metrics } from "./metrics.ts";

/**
 * Counts and times a piece of work under its outcome.
 * @param statusOf gRPC's name for what was thrown, `undefined` = nothing; work without a wire fails as `Unknown`
 */
export async function metered<T>(
  metrics: Metrics,
  { count, elapsed }: CallMetrics,
  work: () => Promise<T>,
  statusOf: (thrown: unknown) => string = plainStatus,
): Promise<T> {
  const startMs = performance.now();
  const note = (thrown?: unknown): void => {
    const status = statusOf(thrown);
    metrics.add(count, [status]);
    metrics.observe(elapsed, [status], performance.now() - startMs);
  };
  try {
    const answer = await work();
    note();
    return answer;
  } catch (thrown) {
    note(thrown);
    throw thrown;
  }
}

function plainStatus(thrown: unknown): string {
  return thrown === undefined ? "OK" : "Unknown";
}
