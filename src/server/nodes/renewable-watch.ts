import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Readiness } from "../../observe/readiness.ts";
import type { Datastore } from "../datastore/contract.ts";
import { RENEWABLE_PLACES } from "./renewable-certificates.ts";

export interface RenewableWatchOptions {
  readonly store: Pick<Datastore, "renewableCertificates">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: Pick<Readiness, "add">;
  /** As of `RenewableCertificates`. */
  readonly places?: number;
}

/**
 * Shows how many places for renewable certificates are taken, as of half a minute ago at most, and warns in time: once in
 * the log each time that the last fifth is reached, and in health for as long as that lasts. Until disposed.
 */
export function watchRenewable(options: RenewableWatchOptions): Loop {
  const { store, clock, random, logger, metrics, readiness } = options;
  const { places = RENEWABLE_PLACES } = options;
  let taken: number | undefined;
  let warned = false;
  const isLow = (): boolean => taken !== undefined && taken >= places * WARN_FROM;
  metrics.read(SERVER_METRICS.renewable, () =>
    taken === undefined ? [] : [{ labels: [], value: taken }],
  );
  readiness.add({
    name: "renewable certificates",
    isAdvice: true,
    missing: () =>
      isLow()
        ? `${taken} of ${places} places are taken; when they are full, one-time tokens get no certificates of frontends.certificates until some end: a shorter ttl there lets them end sooner`
        : undefined,
  });
  return new Loop({
    name: "renewable certificates",
    clock,
    random,
    backoff: { maxMs: COUNT_MS },
    async round() {
      taken = await store.renewableCertificates.count();
      if (isLow() && !warned) {
        logger.warn("places for renewable certificates run out", { taken, places });
      }
      warned = isLow();
      return COUNT_MS;
    },
    onError: (error) => logger.debug("renewable certificates could not be counted", { error }),
  });
}

const COUNT_MS = 30_000;
/** Of the places. */
const WARN_FROM = 0.8;
