import type { Random } from "../base/random.ts";
import type { ServerConfig } from "../config/server.ts";
import { OFFLINE, type Upstream } from "./upstream/contract.ts";
import { openDiskUpstream } from "./upstream/disk.ts";
import { selfSigned } from "./upstream/self.ts";

export interface UpstreamParts {
  readonly random: Random;
}

/** Who signs the domain's X.509 authorities, by the configuration. @throws precondition, invalid when it does not do */
export async function openUpstream(
  { disk, offline }: ServerConfig["upstreamAuthority"],
  { random }: UpstreamParts,
): Promise<Upstream | typeof OFFLINE> {
  if (offline !== undefined) return OFFLINE;
  if (disk !== undefined) return openDiskUpstream({ ...disk, random });
  return selfSigned(random);
}
