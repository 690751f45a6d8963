import { type Clock, epochSeconds } from "../../base/clock.ts";
import type { Datastore } from "../datastore/contract.ts";
import type { Logger } from "../../observe/logger.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";

export interface TokenPrunerOptions {
  readonly store: Datastore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Deletes expired join tokens, now and every five minutes, until disposed. Their nodes still mark them as spent. */
export function startTokenPruner({ store, clock, random, logger }: TokenPrunerOptions): Loop {
  return new Loop({
    name: "token pruner",
    clock,
    random,
    backoff: { baseMs: 1000, maxMs: INTERVAL_MS, jitter: 0.3 },
    async round() {
      const now = epochSeconds(clock);
      const tokens = await store.transaction((writers) => writers.tokens.prune(now));
      if (tokens > 0) logger.info("expired join tokens pruned", { tokens });
      return INTERVAL_MS;
    },
    onError: (error, retryMs) =>
      logger.warn("expired join tokens could not be pruned", { error, retryMs }),
  });
}

const INTERVAL_MS = 5 * 60 * 1000;
