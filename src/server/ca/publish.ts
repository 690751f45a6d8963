import type { EpochSeconds } from "../../base/clock.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeBundleRecord, parseBundleRecord } from "../../spiffe/bundle-document.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { BundleWriter } from "../datastore/contract.ts";

/** Seconds after which a consumer of the domain's bundle should look again (Trust Domain and Bundle §4.1.2). */
export const OWN_REFRESH_HINT = 300;

/**
 * Changes the domain's own bundle inside the caller's transaction. What others put there (a downstream, another
 * server) stays; whatever ended a day ago leaves with each change.
 */
export async function publishOwnBundle(
  bundles: BundleWriter,
  trustDomain: TrustDomain,
  now: EpochSeconds,
  change: (bundle: Bundle) => Bundle,
): Promise<void> {
  const record = await bundles.get(trustDomain.name);
  const before: Bundle =
    record === undefined
      ? {
          trustDomain: trustDomain.name,
          x509Authorities: [],
          jwtAuthorities: [],
          refreshHint: OWN_REFRESH_HINT,
          sequence: 0,
        }
      : parseBundleRecord(trustDomain.name, record.content, record.sequence);
  const after = { ...withoutExpired(change(before), now), refreshHint: OWN_REFRESH_HINT };
  await bundles.put(trustDomain.name, encodeBundleRecord(after));
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

const DAY = 24 * 3600;
