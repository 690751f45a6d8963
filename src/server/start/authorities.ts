/** Who signs: the trust domain's own authorities, the sets beside them, and what they revoke. */
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import { AuthoritySet } from "../ca/authority-set.ts";
import { AuthoritySets } from "../ca/authority-sets.ts";
import { longestTtlSeconds } from "../issuance/x509-profile.ts";
import { type RevocationParts, openRevocation } from "../revocation/open-revocation.ts";
import { OFFLINE, type Upstream } from "../upstream/contract.ts";
import { openUpstream } from "../upstream/open-upstream.ts";
import type { Start } from "./start.ts";
import type { ServerState } from "./state.ts";

export interface ServerAuthorities {
  readonly upstream: Upstream | typeof OFFLINE;
  /** The trust domain's own. */
  readonly authorities: AuthoritySet;
  readonly sets: AuthoritySets;
  readonly revocation: RevocationParts;
}

export async function openAuthorities(
  { config, trustDomain, clock, random, logger, metrics, started, step }: Start,
  { datastore, keyManager, trail }: ServerState,
): Promise<ServerAuthorities> {
  const upstream = await step("upstream authority", () =>
    openUpstream(config.upstreamAuthority, { trustDomain, clock, random }),
  );
  if (upstream !== OFFLINE) started.use(upstream.authority);
  const common = { trustDomain, datastore, keyManager, clock, random, logger, audit: trail };
  const authorities = started.use(
    await step("authorities", () =>
      AuthoritySet.open({
        ...common,
        name: TRUST_DOMAIN_SET,
        upstream,
        x509: { keyType: config.ca.keyType, ttlSeconds: config.ca.ttlSeconds },
        jwt: { keyType: config.ca.jwtKeyType, ttlSeconds: config.ca.ttlSeconds },
        longestTtlSeconds: longestTtlSeconds(config.ttl),
        keepsOldKeys: config.revocation !== undefined,
      }),
    ),
  );
  const sets = started.use(
    await step("authority sets", () => AuthoritySets.open(config, { ...common, own: authorities })),
  );
  const revocation = started.use(
    await step("revocation", () =>
      openRevocation({
        config: config.revocation,
        authorities: sets,
        datastore,
        metrics,
        clock,
        random,
        logger,
      }),
    ),
  );
  return { upstream, authorities, sets, revocation };
}
