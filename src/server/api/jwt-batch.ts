import { fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TokensHandlers } from "../../rpc/gen/assay/jwt/v1/Tokens.ts";
import type { Implementation } from "../../rpc/service.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { Issuance } from "../issuance/issuance.ts";
import { authorizedEntry } from "./authorized-entry.ts";
import { atMost } from "./fields.ts";
import { inParallel } from "./in-parallel.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { jwtSvidMessage } from "./messages.ts";

export interface JwtBatchApiDeps {
  readonly issuance: Pick<Issuance, "workloadJwt">;
  readonly authorizedEntries: Pick<AuthorizedEntries, "find">;
  readonly limits: Limits;
  readonly logger: Logger;
}

/** `assay.jwt.v1.Tokens`. */
export function jwtBatchApi(deps: JwtBatchApiDeps): Implementation<TokensHandlers> {
  const { issuance, authorizedEntries, limits, logger } = deps;
  return {
    async BatchNewJWTSVID({ params }, call) {
      if (params.length === 0) throw fail("invalid", "params: is missing");
      atMost("params", params.length, MAX_TOKENS);
      await limits.sign(call, params.length);
      const agentId = agentOf(call);
      // All at once: signing one is short, and their records share a group of the audit log.
      const results = await inParallel(params, MAX_TOKENS, async ({ entry_id, audience }) => {
        try {
          const entry = authorizedEntry(authorizedEntries, agentId, entry_id);
          const svid = await issuance.workloadJwt({ entry, audience });
          return { status: OK_STATUS, svid: jwtSvidMessage(svid) };
        } catch (thrown) {
          return { status: itemStatus(thrown, logger) };
        }
      });
      return { results };
    },
  };
}

const MAX_TOKENS = 100;
