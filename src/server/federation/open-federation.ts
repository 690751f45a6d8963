import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Reload } from "../../config/reload.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import type { Datastore } from "../datastore/contract.ts";
import { BundleRefreshes } from "./bundle-refreshes.ts";
import { configuredDomains } from "./configured-domains.ts";
import { readFederation } from "./observe-federation.ts";

export interface FederationParts {
  readonly datastore: Datastore;
  readonly bundles: BundleService;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Begins to fetch foreign bundles. @throws precondition, invalid when a file of the configuration does not do */
export async function openFederation(
  { federation }: ServerConfig,
  parts: FederationParts,
): Promise<BundleRefreshes> {
  const configured = await configuredDomains(federation);
  const refreshes = await BundleRefreshes.open({ ...parts, configured });
  readFederation(parts.metrics, refreshes);
  return refreshes;
}

/** Foreign domains come and go with the file. */
export function reloadFederation(reload: Reload<ServerConfig>, refreshes: BundleRefreshes): void {
  reload.part(async ({ federation }) => {
    const configured = await configuredDomains(federation);
    return () => refreshes.configure(configured);
  });
}
