import { fail } from "../../base/errors.ts";
import type { OneTimeHandlers } from "../../rpc/gen/assay/token/v1/OneTime.ts";
import type { Implementation } from "../../rpc/service.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { OneTimeTokens } from "../nodes/one-time-tokens.ts";
import { textField } from "./fields.ts";
import { spiffeIdMessage } from "./messages.ts";

export interface OneTimeApiDeps {
  readonly tokens: OneTimeTokens;
  readonly limits: Limits;
}

/** `assay.token.v1.OneTime`. */
export function oneTimeApi({ tokens, limits }: OneTimeApiDeps): Implementation<OneTimeHandlers> {
  return {
    async Create({ entry_id, ttl }) {
      if (entry_id === "") throw fail("invalid", "entry_id: is missing");
      const id = textField("entry_id", entry_id, MAX_ENTRY_ID);
      const { token, entry, expiresAt } = await tokens.create(id, ttl);
      return {
        token,
        spiffe_id: spiffeIdMessage(entry.spiffeId),
        expires_at: expiresAt,
      };
    },

    async Spend({ token }, call) {
      await limits.attest(call);
      if (token === "" || token.length > MAX_TOKEN) throw fail("invalid", "token: is no token");
      return { entry_id: await tokens.spend(agentOf(call).toString(), token) };
    },
  };
}

const MAX_ENTRY_ID = 255;
const MAX_TOKEN = 256;
