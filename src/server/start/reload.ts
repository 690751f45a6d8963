/** What takes over a changed configuration while the server runs; front ends add themselves as they open. */
import { Reload } from "../../config/reload.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { ConfiguredAttestors } from "../attestors/configured-attestors.ts";
import type { AuditTrail } from "../audit/audit-trail.ts";
import type { AuthoritySet } from "../ca/authority-set.ts";
import type { AuthoritySets } from "../ca/authority-sets.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { BundleRefreshes } from "../federation/bundle-refreshes.ts";
import { reloadFederation } from "../federation/open-federation.ts";
import type { Issuance } from "../issuance/issuance.ts";
import { longestTtlSeconds } from "../issuance/x509-profile.ts";

export interface ReloadedParts {
  readonly issuance: Issuance;
  readonly authorities: AuthoritySet;
  readonly sets: AuthoritySets;
  readonly attestors: ConfiguredAttestors;
  readonly limits: Limits;
  readonly federation: BundleRefreshes;
  readonly trail: AuditTrail;
}

export function reloadOf(parts: ReloadedParts): Reload<ServerConfig> {
  const { issuance, authorities, sets, attestors, limits, federation, trail } = parts;
  const reload = new Reload<ServerConfig>((outcome) => trail.reloaded(outcome));
  reload.part(({ ttl, ca }) => issuance.change({ ttl, jwtIssuer: ca.jwtIssuer }));
  reload.part(
    ({ ttl }) =>
      () =>
        authorities.setLongestTtl(longestTtlSeconds(ttl)),
  );
  reload.part(({ certificateProfiles }) => () => {
    issuance.setCertificateProfiles(certificateProfiles);
    sets.setCertificateProfiles(certificateProfiles);
  });
  reload.part((next) => attestors.prepare(next));
  reload.part((next) => () => limits.setRates(next.limits));
  reloadFederation(reload, federation);
  return reload;
}
