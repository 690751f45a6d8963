/** What `nodeAttestors.oidc` of a configuration asks for. */
import { OidcIssuers } from "../../attestors/issuer/issuers.ts";
import { AgentPathTemplate } from "../../attestors/node/agent-path.ts";
import { OIDC_TYPE } from "../../attestors/node/oidc/payload.ts";
import type { OidcNodeRule } from "../../attestors/node/oidc/server.ts";
import type { Clock } from "../../base/clock.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";

type Sections = ServerConfig["nodeAttestors"];

/** @throws invalid, naming the option of the issuer */
export function oidcIssuers({ oidc }: Sections, clock: Clock): OidcIssuers {
  return OidcIssuers.of(oidc?.issuers ?? [], clock);
}

/** By alias, the longest life of SVIDs for whoever shows a token; issuers without stand for nothing there. */
export function tokenTtls({ oidc }: Sections): ReadonlyMap<string, number> {
  return new Map(
    (oidc?.issuers ?? []).flatMap(({ alias, fetch }) =>
      fetch === undefined ? [] : [[alias, fetch.maxTtl] as const],
    ),
  );
}

/** By alias, the issuers whose tokens attest agents. @throws invalid for a path template that is none */
export function oidcNodeRules({ oidc }: Sections): ReadonlyMap<string, OidcNodeRule> {
  const rules = new Map<string, OidcNodeRule>();
  for (const issuer of oidc?.issuers ?? []) {
    if (!issuer.attestNodes) continue;
    const { alias, requiredClaims = new Map(), agentPath, reattest } = issuer;
    rules.set(alias, {
      requiredClaims,
      ...(agentPath === undefined
        ? {}
        : { agentPath: AgentPathTemplate.parse(agentPath, OIDC_TYPE) }),
      reattest,
    });
  }
  return rules;
}
