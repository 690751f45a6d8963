import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { socketPathOf } from "../../config/paths.ts";
import type { AuthoritySetConfig } from "../../config/server/build-authority-sets.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { OFFLINE, type Upstream } from "./contract.ts";
import { openDiskUpstream } from "./disk.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { nestedUpstream } from "./nested.ts";
import { selfSigned } from "./self.ts";
import { openVaultUpstream } from "./vault.ts";

export interface UpstreamParts {
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
}

/** Who signs a set's X.509 authorities, by the configuration. @throws precondition, invalid when it does not do */
export async function openUpstream(
  settings: ServerConfig["upstreamAuthority"] | AuthoritySetConfig["upstreamAuthority"],
  { trustDomain, clock, random }: UpstreamParts,
): Promise<Upstream | typeof OFFLINE> {
  const { disk, vault, offline } = settings;
  const nested = "nested" in settings ? settings.nested : undefined;
  if (offline !== undefined) return OFFLINE;
  if (disk !== undefined) return openDiskUpstream({ ...disk, random });
  if (nested !== undefined) {
    const where = "upstreamAuthority.nested.workloadApiSocket";
    const workloadApiSocket = socketPathOf(nested.workloadApiSocket, where);
    return nestedUpstream({ ...nested, workloadApiSocket, trustDomain, clock });
  }
  if (vault !== undefined) {
    return openVaultUpstream({ ...vault, timeoutMs: vault.timeout * 1000, clock });
  }
  return selfSigned(random);
}
