import type { EpochSeconds } from "../../base/clock.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeBundleRecord, parseBundleRecord } from "../../spiffe/bundle-document.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { BundleReader, Writers } from "../datastore/contract.ts";
import type { RevokedAuthority } from "../datastore/revoked-authorities.ts";
import { keyIdOf } from "./check-signed-ca.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";

/** Seconds after which a consumer of the domain's bundle should look again (Trust Domain and Bundle §4.1.2). */
export const OWN_REFRESH_HINT = 300;

/**
 * Changes the domain's own bundle inside the caller's transaction. What others put there (a downstream, another
 * server) stays; whatever ended a day ago leaves with each change, and what was revoked here does not come back.
 */
export async function publishOwnBundle(
  { bundles, revokedAuthorities }: Pick<Writers, "bundles" | "revokedAuthorities">,
  trustDomain: TrustDomain,
  now: EpochSeconds,
  change: (bundle: Bundle) => Bundle,
): Promise<void> {
  const before = await readOwnBundle(bundles, trustDomain);
  const revoked = await revokedAuthorities.list(TRUST_DOMAIN_SET);
  const trusted = withoutRevoked(withoutExpired(change(before), now), revoked);
  const after = { ...trusted, refreshHint: OWN_REFRESH_HINT };
  await bundles.put(trustDomain.name, encodeBundleRecord(after));
}

/** The domain's own bundle as it is stored; empty before the first authority. */
export async function readOwnBundle(
  bundles: BundleReader,
  { name: trustDomain }: TrustDomain,
): Promise<Bundle> {
  const record = await bundles.get(trustDomain);
  if (record !== undefined) return parseBundleRecord(trustDomain, record.content, record.sequence);
  return {
    trustDomain,
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHint: OWN_REFRESH_HINT,
    sequence: 0,
  };
}

function withoutExpired(bundle: Bundle, now: EpochSeconds): Bundle {
  const kept = (end: EpochSeconds): boolean => end + DAY > now;
  return {
    ...bundle,
    x509Authorities: bundle.x509Authorities.filter(({ der }) =>
      kept(parseCertificate(der).notAfter),
    ),
    jwtAuthorities: bundle.jwtAuthorities.filter(
      ({ expiresAt }) => expiresAt === 0 || kept(expiresAt),
    ),
  };
}

function withoutRevoked(bundle: Bundle, revoked: readonly RevokedAuthority[]): Bundle {
  if (revoked.length === 0) return bundle;
  const gone = new Set(revoked.map(({ kind, id }) => `${kind} ${id}`));
  return {
    ...bundle,
    x509Authorities: bundle.x509Authorities.filter(
      ({ der }) => !gone.has(`x509 ${keyIdOf(parseCertificate(der))}`),
    ),
    jwtAuthorities: bundle.jwtAuthorities.filter(({ keyId }) => !gone.has(`jwt ${keyId}`)),
  };
}

const DAY = 24 * 3600;
