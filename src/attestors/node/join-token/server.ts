import type { NodeAdmission, NodeAttestorServer } from "../../contract.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../../base/clock.ts";
import { type AssayError, fail } from "../../../base/errors.ts";
import {
  JOIN_TOKEN_TYPE,
  joinTokenAgentPath,
  joinTokenHash,
  parseJoinTokenPayload,
} from "./payload.ts";

/** What the attestor needs of the token store. */
export interface JoinTokenLookup {
  get(hash: string): Promise<{ readonly expiresAt: EpochSeconds } | undefined>;
}

/**
 * The server's half of `join_token`: whoever shows an unexpired token may become the one agent that the token names.
 * The token is not spent here but in the transaction that creates the node.
 */
export function joinTokenServer(tokens: JoinTokenLookup, clock: Clock): NodeAttestorServer {
  return {
    type: JOIN_TOKEN_TYPE,
    async admit(payload): Promise<NodeAdmission> {
      const hash = joinTokenHash(parseJoinTokenPayload(payload));
      checkJoinTokenLife(await tokens.get(hash), epochSeconds(clock));
      return {
        agentPath: joinTokenAgentPath(hash),
        selectors: [],
        canReattest: false,
        spendsToken: hash,
      };
    },
  };
}

/** @throws invalid, with SPIRE's status for a token that is unknown or too old */
export function checkJoinTokenLife(
  token: { readonly expiresAt: EpochSeconds } | undefined,
  now: EpochSeconds,
): void {
  if (token === undefined) throw spentOrUnknown();
  if (token.expiresAt < now) {
    throw fail("invalid", "join token has expired; have a new one made");
  }
}

/** One answer for both, so that nobody learns which tokens there were. */
export function spentOrUnknown(): AssayError {
  return fail("invalid", "join token does not exist or has already been used");
}
