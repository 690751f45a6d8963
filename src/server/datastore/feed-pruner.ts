import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Datastore } from "./contract.ts";

export interface FeedPrunerOptions {
  readonly store: Pick<Datastore, "pruneChanges">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps the change feed short, every ten minutes, until disposed. Who is further behind loads everything anew. */
export function startFeedPruner({ store, clock, random, logger }: FeedPrunerOptions): Loop {
  return new Loop({
    name: "feed pruner",
    clock,
    random,
    backoff: { maxMs: INTERVAL_MS },
    round: async () => {
      await store.pruneChanges(KEPT_CHANGES);
      return INTERVAL_MS;
    },
    onError: (error, retryMs) =>
      logger.warn("the change feed could not be pruned", { error, retryMs }),
  });
}

/** Rows that stay: ten of the biggest batches. */
export const KEPT_CHANGES = 100_000;

const INTERVAL_MS = 10 * 60 * 1000;
