import { fail } from "../../base/errors.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Logger } from "../../observe/logger.ts";
import type { CallContext } from "../../rpc/service.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import { MAX_BATCH, atMost } from "./fields.ts";
import { type ItemResult, itemResult } from "./item-status.ts";

export interface SignEachParams<P, S> {
  /** What the agent asks to have signed, in the order of the answer. */
  readonly params: readonly P[];
  readonly call: CallContext;
  readonly limits: Pick<Limits, "sign">;
  readonly logger: Logger;
  /** @throws what is wrong with the item, which then has that as its status */
  readonly sign: (params: P, agentId: SpiffeId) => Promise<S>;
  /** Items that a call may have. Default: as in any batch. */
  readonly most?: number;
  /** How many are worked on at once. Default: 16. */
  readonly width?: number;
}

/**
 * A batch that an agent has signed: each item counts towards its rate, and has a status of its own.
 * @throws invalid for none or too many; limited
 */
export async function signEach<P, S>(
  options: SignEachParams<P, S>,
): Promise<{ results: ItemResult<{ svid: S }>[] }> {
  const { params, call, limits, logger, sign } = options;
  if (params.length === 0) throw fail("invalid", "params: is missing");
  atMost("params", params.length, options.most ?? MAX_BATCH);
  await limits.sign(call, params.length);
  const agentId = agentOf(call);
  const results = await inParallel(params, options.width ?? SIGNATURES_AT_ONCE, (each) =>
    itemResult(logger, async () => ({ svid: await sign(each, agentId) })),
  );
  return { results };
}

/** Enough to keep every core and the pool busy, few enough that a batch starves nobody. */
const SIGNATURES_AT_ONCE = 16;
