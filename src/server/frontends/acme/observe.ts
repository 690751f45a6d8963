import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { Loop } from "../../../base/loop.ts";
import type { Random } from "../../../base/random.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { AcmeCounts } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { Validations } from "./validations.ts";

export interface ReadAcmeParams {
  readonly store: Pick<Datastore, "acme">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Shows how much there is of everything, as of half a minute ago at most: a scrape does not count rows. */
export function readAcme(
  { store, clock, random, logger, metrics }: ReadAcmeParams,
  validations: Pick<Validations, "waiting" | "slow">,
): Loop {
  let counts: AcmeCounts | undefined;
  const gauges = [
    [SERVER_METRICS.acmeAccounts, "accounts"],
    [SERVER_METRICS.acmeOpenOrders, "openOrders"],
    [SERVER_METRICS.acmeProcessing, "processingOrders"],
    [SERVER_METRICS.acmePending, "pendingAuthorizations"],
    [SERVER_METRICS.acmeValidCertificates, "certificates"],
  ] as const;
  for (const [spec, member] of gauges) {
    metrics.read(spec, () => (counts === undefined ? [] : [{ labels: [], value: counts[member] }]));
  }
  metrics.read(SERVER_METRICS.acmeWaiting, () => [{ labels: [], value: validations.waiting }]);
  metrics.read(SERVER_METRICS.acmeSlow, () => [{ labels: [], value: validations.slow }]);
  return new Loop({
    name: "acme counts",
    clock,
    random,
    backoff: { maxMs: COUNT_MS },
    async round() {
      counts = await store.acme.counts(epochSeconds(clock));
      return COUNT_MS;
    },
    onError: (error) => logger.debug("acme's rows could not be counted", { error }),
  });
}

const COUNT_MS = 30_000;
