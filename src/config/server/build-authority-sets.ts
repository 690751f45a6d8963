import { fail } from "../../base/errors.ts";
import type { KeyType } from "../../keys/contract.ts";
import { BUILT_IN_PROFILES, type CertificateProfile } from "../certificate-profiles.ts";
import { checkKeyType } from "../sections/common-settings.ts";
import { formatDuration } from "../settings/duration.ts";
import type { ServerSettings } from "./server-settings.ts";
import type { ValueOf } from "../settings/shape.ts";
import type { Settings } from "../settings/source.ts";
import type { SET_UPSTREAM } from "../sections/upstream-sections.ts";
import { TRUST_DOMAIN_SET, WIT_SET } from "../own-sets.ts";

/** X.509 authorities beside the trust domain's own. */
export interface AuthoritySetConfig {
  readonly keyType: KeyType;
  readonly ttlSeconds: number;
  /** With one key at most; none: authorities are their own roots. */
  readonly upstreamAuthority: ValueOf<typeof SET_UPSTREAM>;
  /** Names of the certificate profiles that it signs. */
  readonly profiles: readonly string[];
}

interface AuthoritySets {
  readonly sets: ReadonlyMap<string, AuthoritySetConfig>;
  readonly profiles: ReadonlyMap<string, CertificateProfile>;
}

/** @throws invalid, naming the setting */
export function authoritySetsSetting(settings: Settings<ServerSettings>): AuthoritySets {
  const profiles = profilesSetting(settings);
  const where = (path: string): string => settings.where("authority-sets", path);
  const given = settings.get("authority-sets") ?? new Map<string, never>();
  const sets = new Map<string, AuthoritySetConfig>();
  for (const [name, { keyType, caTtl, upstreamAuthority = {}, profiles: signed }] of given) {
    if (RESERVED.has(name)) {
      throw fail(
        "invalid",
        `${where(name)}: '${name}' is the server's own; name the set otherwise`,
      );
    }
    const upstreams = Object.keys(upstreamAuthority);
    if (upstreams.length > 1) {
      throw fail(
        "invalid",
        `${where(`${name}.upstreamAuthority`)}: ${upstreams.join(" and ")} exclude each other; name one`,
      );
    }
    const whereSigned = where(`${name}.profiles`);
    for (const each of signed) checkSigned(whereSigned, each, profiles.get(each), caTtl);
    sets.set(name, {
      keyType: checkKeyType(keyType, settings.get("experimental"), where(`${name}.keyType`)),
      ttlSeconds: caTtl,
      upstreamAuthority,
      profiles: signed,
    });
  }
  return { sets, profiles };
}

/** A certificate must fit into an authority that was prepared and activated before: half of its life at most. */
function checkSigned(
  where: string,
  name: string,
  profile: CertificateProfile | undefined,
  caTtl: number,
): void {
  if (profile === undefined) {
    throw fail(
      "invalid",
      `${where}: there is no certificate profile '${name}'; certificateProfiles makes one`,
    );
  }
  if (profile.spiffeId === "required" || profile.maxTtlSeconds === 0) {
    throw fail(
      "invalid",
      `${where}: certificates of '${name}' are X.509-SVIDs, which the trust domain's own authorities sign; leave it out`,
    );
  }
  if (profile.maxTtlSeconds * 2 <= caTtl) return;
  throw fail(
    "invalid",
    `${where}: certificates of profile '${name}' may live ${formatDuration(profile.maxTtlSeconds)}, which is more than half of caTtl (${formatDuration(caTtl)}); raise caTtl, or leave it out of profiles`,
  );
}

function profilesSetting(
  settings: Settings<ServerSettings>,
): ReadonlyMap<string, CertificateProfile> {
  const profiles = new Map(BUILT_IN_PROFILES);
  for (const [name, given] of settings.get("certificate-profiles") ?? []) {
    const base = BUILT_IN_PROFILES.get(name) ?? NEW_PROFILE;
    const { ttl, maxTtl, ...others } = given;
    const ttlSeconds = ttl ?? base.ttlSeconds;
    const maxTtlSeconds = maxTtl ?? (ttl === undefined ? base.maxTtlSeconds : ttl);
    if (maxTtlSeconds !== 0 && ttlSeconds > maxTtlSeconds) {
      throw fail(
        "invalid",
        `${settings.where("certificate-profiles", name)}: ttl is longer than maxTtl; raise that`,
      );
    }
    profiles.set(name, { ...base, ...others, ttlSeconds, maxTtlSeconds });
  }
  return profiles;
}

/** What a profile of a new name says where the file does not: as `server-7d`. */
const NEW_PROFILE = BUILT_IN_PROFILES.get("server-7d") as CertificateProfile;
/** Whose keys and journal lines the server has already. */
const RESERVED: ReadonlySet<string> = new Set([TRUST_DOMAIN_SET, WIT_SET]);
