import { joinTokenAgentPath } from "../../attestors/node/join-token/payload.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import type { PruneAudit } from "../../observe/audit.ts";
import type { Logger } from "../../observe/logger.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { Datastore, EntryRecord, JoinTokenRecord } from "../datastore/contract.ts";
import { deleteTokenAliases } from "./token-aliases.ts";

export interface JoinTokenPruning {
  readonly store: Datastore;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly audit: PruneAudit;
}

/**
 * Deletes expired join tokens. One that admitted nobody takes along the entry it made for its agent, as no agent can bear
 * that name any more; where the agent came, its node marks the token as spent and keeps the entry.
 */
export async function pruneJoinTokens(parts: JoinTokenPruning, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await pruneBatch(parts)) === BATCH);
}

/** @returns how many tokens were deleted */
async function pruneBatch(parts: JoinTokenPruning): Promise<number> {
  const { store, trustDomain, clock, logger, audit } = parts;
  const now = epochSeconds(clock);
  if ((await store.tokens.listExpired(now, 1)).length === 0) return 0;
  const { tokens, gone } = await store.transaction(async (writers) => {
    const tokens = await writers.tokens.listExpired(now, BATCH);
    const gone: (readonly [JoinTokenRecord, EntryRecord])[] = [];
    for (const token of tokens) {
      await writers.tokens.delete(token.hash);
      const agentId = SpiffeId.of(trustDomain, joinTokenAgentPath(token.hash)).toString();
      if ((await writers.nodes.get(agentId)) !== undefined) continue;
      const aliases = await deleteTokenAliases(writers, agentId);
      gone.push(...aliases.map((entry) => [token, entry] as const));
    }
    return { tokens: tokens.length, gone };
  });
  logger.info("expired join tokens pruned", { tokens });
  for (const [{ hash: tokenHash }, { id: entryId, spiffeId, parentId }] of gone) {
    logger.info("entry of an unused join token pruned", { entryId, spiffeId, parentId });
    await audit.pruned({ entryId, spiffeId, parentId, tokenHash }, "its join token expired unused");
  }
  return tokens;
}

const BATCH = 500;
