import type { Datastore } from "./datastore/contract.ts";
import type { Logger } from "../observe/logger.ts";
import type { Random } from "../base/random.ts";
import { type Clock, epochSeconds } from "../base/clock.ts";
import { Loop } from "../base/loop.ts";

export interface UpkeepOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Takes out of the store what nobody needs any more: expired join tokens and the tail of the change feed. */
export function startUpkeep({ datastore, clock, random, logger }: UpkeepOptions): Loop {
  return new Loop({
    name: "upkeep",
    clock,
    random,
    async round() {
      const now = epochSeconds(clock);
      const tokens = await datastore.transaction((writers) => writers.tokens.prune(now));
      await datastore.pruneChanges(CHANGES_KEPT);
      if (tokens > 0) logger.info("expired join tokens pruned", { tokens });
      return ROUND_MS;
    },
    backoff: { baseMs: 5000, maxMs: ROUND_MS, jitter: 0.2 },
    onError: (error, retryMs) => logger.error("upkeep failed", { error, retryMs }),
  });
}

const ROUND_MS = 60_000;
/** Readers that are further behind load everything anew. */
const CHANGES_KEPT = 100_000;
