import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { Loop } from "../../../base/loop.ts";
import type { Random } from "../../../base/random.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { Datastore } from "../../datastore/contract.ts";

export interface PruneAcmeParams {
  readonly store: Pick<Datastore, "transaction">;
  /** `unusedAccountTtlSeconds`: of accounts that nothing is left of. */
  readonly settings: () => Pick<AcmeFrontEndConfig, "unusedAccountTtlSeconds">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Deletes what ended some time ago; now and every ten minutes. */
export function pruneAcme(params: PruneAcmeParams): Loop {
  const { store, settings, clock, random, logger } = params;
  return new Loop({
    name: "acme pruner",
    clock,
    random,
    backoff: { maxMs: PRUNE_MS },
    async round() {
      const now = epochSeconds(clock);
      const endedBefore = now - KEPT_SECONDS;
      const unusedBefore = now - settings().unusedAccountTtlSeconds;
      const [many, accounts, addresses] = await store.transaction(async ({ acme }) => [
        await acme.prune(endedBefore, PRUNE_AT_ONCE),
        await acme.pruneAccounts({ endedBefore, unusedBefore, limit: PRUNE_AT_ONCE }),
        await acme.forgetMadeFrom(now - ADDRESS_SECONDS, PRUNE_AT_ONCE),
      ]);
      if (many > 0) {
        logger.info("ended acme orders, authorizations and certificates pruned", { many });
      }
      if (accounts > 0) logger.info("unused acme accounts pruned", { many: accounts });
      return Math.max(many, accounts, addresses) >= PRUNE_AT_ONCE ? PRUNE_AGAIN_MS : PRUNE_MS;
    },
    onError: (error, retryMs) =>
      logger.warn("ended acme orders could not be pruned", { error, retryMs }),
  });
}

const PRUNE_MS = 10 * 60 * 1000;
/** Whoever writes meanwhile is not kept waiting. */
const PRUNE_AT_ONCE = 1000;
const PRUNE_AGAIN_MS = 1000;
/** What has ended can still be read for a week. */
const KEPT_SECONDS = 7 * 24 * 3600;
/** As long as accounts from one address are counted. */
const ADDRESS_SECONDS = 3600;
