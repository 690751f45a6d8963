import type { Logger } from "../../observe/logger.ts";
import type { TokensHandlers } from "../../rpc/gen/assay/jwt/v1/Tokens.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { Issuance } from "../issuance/issuance.ts";
import { authorizedEntry } from "./authorized-entry.ts";
import { jwtSvidMessage } from "./messages.ts";
import { signEach } from "./sign-each.ts";

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
    BatchNewJWTSVID: ({ params }, call) =>
      signEach({
        params,
        call,
        limits,
        logger,
        most: MAX_TOKENS,
        // All at once: signing one is short, and their records share a group of the audit log.
        width: MAX_TOKENS,
        async sign({ entry_id, audience }, agentId) {
          const entry = authorizedEntry(authorizedEntries, agentId, entry_id);
          return jwtSvidMessage(await issuance.workloadJwt({ entry, audience }));
        },
      }),
  };
}

const MAX_TOKENS = 100;
