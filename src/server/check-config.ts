import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { ServerConfig } from "../config/server/server-config.ts";
import { silentLogger } from "../observe/logger.ts";
import { TrustDomain } from "../spiffe/trust-domain.ts";
import { ConfiguredAttestors } from "./attestors/configured-attestors.ts";
import { openUpstream } from "./upstream/open-upstream.ts";
import { OFFLINE } from "./upstream/contract.ts";

/**
 * Makes the attestors and the upstream authority that a configuration asks for, as a start does, and nothing else: no
 * folder, no listener, and nobody is asked anything.
 * @throws what a start would
 */
export async function checkServerConfig(
  config: ServerConfig,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<void> {
  const trustDomain = TrustDomain.parse(config.trustDomain);
  const sets = [...(config.authoritySets?.values() ?? [])];
  for (const { upstreamAuthority } of [config, ...sets]) {
    const upstream = await openUpstream(upstreamAuthority, { trustDomain, clock, random });
    if (upstream !== OFFLINE) await upstream.authority[Symbol.asyncDispose]();
  }
  await using _attestors = await ConfiguredAttestors.open(config, {
    tokens: { get: () => Promise.resolve(undefined) },
    trustDomain,
    ownRoots: () => [],
    isLost: () => false,
    clock,
    random,
    logger: silentLogger,
  });
}
