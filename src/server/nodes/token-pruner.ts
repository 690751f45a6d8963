import { epochSeconds } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { type JoinTokenPruning, pruneJoinTokens } from "./join-token-pruner.ts";

export interface TokenPrunerOptions extends JoinTokenPruning {
  readonly random: Random;
}

/**
 * Deletes expired join tokens with what they left behind, one-time tokens, certificates that stand for such,
 * authorizations of `provision` and API tokens for them, and bound tokens that nobody accepts any more; now and every
 * five minutes, until disposed.
 */
export function startTokenPruner(options: TokenPrunerOptions): Loop {
  const { store, clock, random, logger } = options;
  return new Loop({
    name: "token pruner",
    clock,
    random,
    backoff: { maxMs: INTERVAL_MS },
    async round(signal) {
      await pruneJoinTokens(options, signal);
      const now = epochSeconds(clock);
      const { bound, once, renewable, grants, external } = await store.transaction(
        async (writers) => ({
          bound: await writers.boundTokens.prune(now),
          once: await writers.oneTimeTokens.prune(now),
          renewable: await writers.renewableCertificates.prune(now),
          grants:
            (await writers.provisionGrants.prune(now)) +
            (await writers.provisionApiTokens.prune(now)),
          external: await writers.acmeExternalAccounts.prune(now),
        }),
      );
      if (once > 0) logger.info("expired one-time tokens pruned", { tokens: once });
      if (renewable > 0)
        logger.info("ended renewable certificates pruned", { certificates: renewable });
      if (grants > 0) logger.info("ended authorizations of provision pruned", { grants });
      if (external > 0) logger.info("expired ACME external accounts pruned", { external });
      if (bound > 0) logger.debug("expired bound tokens pruned", { tokens: bound });
      return INTERVAL_MS;
    },
    onError: (error, retryMs) =>
      logger.warn("expired tokens could not be pruned", { error, retryMs }),
  });
}

const INTERVAL_MS = 5 * 60 * 1000;
