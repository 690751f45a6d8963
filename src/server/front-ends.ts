/** Listeners beside the server's API, each an adapter that can be left out. */
import { parseAddress } from "../config/address.ts";
import type { ServerConfig } from "../config/server.ts";
import { HttpListener } from "../http/http-listener.ts";
import { observeRoutes } from "../http/observe-routes.ts";
import type { Logger } from "../observe/logger.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Readiness } from "../observe/readiness.ts";

export interface FrontEndParts {
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly logger: Logger;
  /** Runs a step of the start; an error names it. */
  readonly step: <T>(name: string, work: () => Promise<T>) => Promise<T>;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

export interface FrontEnds extends AsyncDisposable {
  /** Where each that was asked for listens. */
  readonly addresses: { readonly metricsAddress?: Address };
}

/** Opens what the configuration asks for; the first that fails takes the others down. */
export async function openFrontEnds(
  config: ServerConfig,
  parts: FrontEndParts,
): Promise<FrontEnds> {
  await using opened = new AsyncDisposableStack();
  const metrics = await openMetrics(config, parts);
  if (metrics !== undefined) opened.use(metrics);
  const listeners = opened.move();
  return {
    addresses: metrics === undefined ? {} : { metricsAddress: metrics.address },
    [Symbol.asyncDispose]: () => listeners.disposeAsync(),
  };
}

async function openMetrics(
  { metricsListen }: ServerConfig,
  { metrics, readiness, logger, step }: FrontEndParts,
): Promise<HttpListener | undefined> {
  if (metricsListen === undefined) return undefined;
  return step("metrics", () =>
    HttpListener.open({
      ...parseAddress(metricsListen, "metrics-listen", { zeroPort: true }),
      setting: "metrics-listen",
      routes: observeRoutes({ metrics, readiness }),
      logger,
    }),
  );
}
