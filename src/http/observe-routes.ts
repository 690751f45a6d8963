import type { Metrics } from "../observe/metrics.ts";
import { type Readiness, isReady } from "../observe/readiness.ts";
import type { HttpAnswer } from "./http-answer.ts";
import type { HttpRoute } from "./http-listener.ts";

export interface ObserveRoutesParams {
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

/**
 * `/metrics`, `/live` and `/ready`. Alive is a process that answers: one that must not be restarted. Ready is one that
 * can do its work; the body says what is missing.
 */
export function observeRoutes({
  metrics,
  readiness,
}: ObserveRoutesParams): ReadonlyMap<string, HttpRoute> {
  return new Map<string, HttpRoute>([
    ["/metrics", async () => ({ status: 200, type: PROMETHEUS_TEXT, body: metrics.render() })],
    ["/live", async () => json(200, { status: "live" })],
    [
      "/ready",
      async () => {
        const results = await readiness.results();
        const ready = isReady(results);
        const checks = Object.fromEntries(
          results.map(({ name, missing }) => [name, missing ?? "ok"]),
        );
        return json(ready ? 200 : 503, { status: ready ? "ready" : "not ready", checks });
      },
    ],
  ]);
}

function json(status: number, body: object): HttpAnswer {
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}

const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";
