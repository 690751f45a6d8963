/** The front end `provision`: certificates for one-time tokens, over HTTP. It asks for signatures and makes none. */
import type { Clock } from "../../../base/clock.ts";
import type { ProvisionFrontEndConfig } from "../../../config/server/provision-front-end.ts";
import { ApiListener } from "../../../http/api-listener.ts";
import { CallerGuard } from "../../../http/caller-guard.ts";
import type { TlsIdentity } from "../../../base/tls-identity.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import { type RoutesParts, provisionRoutes } from "./routes.ts";

export interface ProvisionFrontEndParts extends RoutesParts {
  readonly config: Pick<ProvisionFrontEndConfig, "listen" | "anonymousAuthorize">;
  readonly tls?: () => TlsIdentity | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** @throws precondition when the address cannot be listened on or the certificate does not do */
export function openProvisionListener(parts: ProvisionFrontEndParts): Promise<ApiListener> {
  const { config, tls, clock, logger, metrics } = parts;
  if (config.anonymousAuthorize) {
    logger.warn("anyone who reaches the front end provision may authorize any name");
  }
  if (tls === undefined) {
    logger.warn("the front end provision speaks plain http; tokens can be read on the way");
  }
  return ApiListener.open({
    ...config.listen,
    setting: "frontends.provision.listen",
    routes: provisionRoutes(parts),
    ...(tls === undefined ? {} : { tls, clientCertificates: true }),
    guard: new CallerGuard({ clock }),
    logger,
    onServed: ({ guard }) => {
      if (guard !== undefined) metrics.add(SERVER_METRICS.guardedAnswers, ["provision", guard]);
    },
  });
}
