import { BUILT_IN_PROFILES } from "../../../config/certificate-profiles.ts";
import { formatDuration } from "../../../config/settings/duration.ts";
import type { ServerConfig } from "../../../config/server/server-config.ts";

/**
 * ACME clients hold the roots that they know a listener by, and come again at two thirds of their certificates' lives.
 * @returns both durations in words where the roots do not last until then; undefined where they do, or are not ours
 */
export function shortLivedRoots({
  frontends,
  upstreamAuthority,
  certificateProfiles = BUILT_IN_PROFILES,
  ca,
  ttl,
}: Pick<ServerConfig, "frontends" | "upstreamAuthority" | "certificateProfiles" | "ca" | "ttl">):
  | { readonly rootsLast: string; readonly clientsReturnAfter: string }
  | undefined {
  const acme = frontends?.acme;
  if (acme?.tls.kind !== "svid" || Object.keys(upstreamAuthority).length > 0) return undefined;
  const lives = acme.profiles.map(
    (name) => certificateProfiles.get(name)?.ttlSeconds || ttl.x509SvidSeconds,
  );
  const returnSeconds = Math.floor((Math.max(...lives) * 2) / 3);
  if (ca.ttlSeconds >= returnSeconds) return undefined;
  return {
    rootsLast: formatDuration(ca.ttlSeconds),
    clientsReturnAfter: formatDuration(returnSeconds),
  };
}
