import { createHash } from "node:crypto";
import { toHex } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import { claimSelectors, claimText } from "../../issuer/claim-selectors.ts";
import type { VerifiedToken } from "../../issuer/issuer.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import type { AgentPathTemplate } from "../agent-path.ts";
import { OIDC_TYPE, parseOidcPayload } from "./payload.ts";

export interface OidcServerOptions {
  readonly issuers: {
    verify(token: string, signal: AbortSignal): Promise<VerifiedToken>;
  };
  /** By issuer alias: what may attest a node with its tokens, and how the node is named. An alias without: nothing. */
  readonly rules: ReadonlyMap<string, OidcNodeRule>;
}

export interface OidcNodeRule {
  /** Claims (named as in selectors) with the values of which a token must have one; all of them must fit. */
  readonly requiredClaims: ReadonlyMap<string, readonly string[]>;
  /** Below the issuer's alias; absent: the SHA-256 of issuer and subject. */
  readonly agentPath?: AgentPathTemplate;
  /** Agents must show a fresh token for each new SVID instead of renewing with the one they have. */
  readonly reattest: boolean;
}

/**
 * The server's half of `oidc`: whoever shows a token of an allowed issuer may become the agent that the token names.
 * The transaction that admits the node binds the token to the node's key.
 */
export function oidcServer({ issuers, rules }: OidcServerOptions): NodeAttestorServer {
  return {
    type: OIDC_TYPE,
    async admit(payload, _challenge, signal) {
      const token = await issuers.verify(parseOidcPayload(payload), signal);
      const rule = rules.get(token.alias);
      if (rule === undefined) {
        throw fail("denied", `tokens of issuer ${token.alias} attest no nodes here`);
      }
      for (const [name, values] of rule.requiredClaims) {
        const value = claimText(token.claims, name);
        if (value === undefined || !values.includes(value)) {
          throw fail("denied", `token claim ${name} is not one that may attest a node`);
        }
      }
      return {
        agentPath: `/spire/agent/${OIDC_TYPE}/${token.alias}/${agentName(token, rule)}`,
        selectors: claimSelectors(OIDC_TYPE, token),
        canReattest: rule.reattest,
        bindsToken: { fingerprint: token.fingerprint, until: token.refusedFrom },
      };
    },
  };
}

function agentName({ claims }: VerifiedToken, { agentPath }: OidcNodeRule): string {
  if (agentPath !== undefined) return agentPath.render((name) => claimText(claims, name));
  const { iss, sub } = claims as { iss?: unknown; sub?: unknown };
  if (typeof sub !== "string" || sub === "") {
    throw fail("denied", "token has no sub claim, which names the agent; give an agent path");
  }
  return toHex(
    createHash("sha256")
      .update(`${String(iss)}\n${sub}`)
      .digest(),
  );
}
