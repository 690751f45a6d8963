import { type Clock, epochSeconds } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import { metered } from "../../observe/metered.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Datastore, EntryRecord } from "../datastore/contract.ts";

export interface EntryPrunerOptions {
  readonly store: Datastore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Deletes expired entries, now and every five minutes, until disposed. */
export function startEntryPruner(options: EntryPrunerOptions): Loop {
  const { clock, random, logger, metrics } = options;
  return new Loop({
    name: "entry pruner",
    clock,
    random,
    backoff: { maxMs: INTERVAL_MS },
    round: async (signal) => {
      const prune = () => metered(metrics, SERVER_METRICS.entryPrune, () => pruneBatch(options));
      while (!signal.aborted && (await prune()) === BATCH);
      return INTERVAL_MS;
    },
    onError: (error, retryMs) =>
      logger.warn("expired entries could not be pruned", { error, retryMs }),
  });
}

/** @returns how many were deleted */
async function pruneBatch({ store, clock, logger }: EntryPrunerOptions): Promise<number> {
  const now = epochSeconds(clock);
  if ((await store.entries.listExpired(now, 1)).length === 0) return 0;
  const pruned = await store.transaction(async (writers): Promise<readonly EntryRecord[]> => {
    const expired = await writers.entries.listExpired(now, BATCH);
    for (const { id } of expired) await writers.entries.delete(id);
    return expired;
  });
  for (const { id, spiffeId, parentId } of pruned) {
    logger.info("expired entry pruned", { entryId: id, spiffeId, parentId });
  }
  return pruned.length;
}

const INTERVAL_MS = 5 * 60 * 1000;
const BATCH = 500;
