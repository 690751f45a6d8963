import type { EpochSeconds } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import { type JwtClaims, parseCompact, verifyCompact } from "../jwt/compact.ts";
import { numericDate } from "../jwt/numeric-date.ts";
import type { Bundle } from "./bundle.ts";
import { SpiffeId } from "./spiffe-id.ts";

/** A token whose signature, times and audience were checked. */
export interface VerifiedJwtSvid {
  readonly spiffeId: SpiffeId;
  readonly claims: Record<string, unknown>;
  /** Of the JWT authority that signed it. */
  readonly keyId: string;
}

/**
 * Checks a JWT-SVID (JWT-SVID §5): form, key of the subject's own trust domain, signature, times with 60 s leeway,
 * and that `audience` is among its audiences.
 * @param bundleOf the bundle of a trust domain name, undefined when it is not known
 * @throws invalid in every case, since a token that proves nothing is malformed input to whoever asks
 */
export async function verifyJwtSvid(
  token: string,
  audience: string,
  bundleOf: (trustDomain: string) => Bundle | undefined,
  now: EpochSeconds,
): Promise<VerifiedJwtSvid> {
  if (audience === "") throw fail("invalid", "audience is missing");
  const parsed = parseCompact(token);
  const { claims } = parsed;
  const spiffeId = subjectOf(claims);
  const audiences = audiencesOf(claims);
  const expiresAt = numericDate(claims, "exp");
  if (expiresAt === undefined) throw fail("invalid", "token has no exp claim");
  const keyId = parsed.header.kid;
  if (keyId === undefined) throw fail("invalid", "token has no key id");

  const trustDomain = spiffeId.trustDomain.name;
  const bundle = bundleOf(trustDomain);
  if (bundle === undefined) {
    throw fail("invalid", `no bundle of trust domain '${trustDomain}' is known`);
  }
  const authority = bundle.jwtAuthorities.find((candidate) => candidate.keyId === keyId);
  if (authority === undefined) {
    throw fail("invalid", `token key is no jwt authority of trust domain '${trustDomain}'`);
  }
  if (!(await verifyCompact(parsed, authority.publicKey))) {
    throw fail("invalid", "token signature does not fit its key");
  }

  if (now >= expiresAt + LEEWAY_SECONDS) throw fail("invalid", "token has expired");
  for (const name of ["nbf", "iat"] as const) {
    const since = numericDate(claims, name);
    if (since !== undefined && since > now + LEEWAY_SECONDS) {
      throw fail("invalid", `token is not valid yet (${name})`);
    }
  }
  if (!audiences.includes(audience)) {
    throw fail("invalid", "token is for another audience");
  }
  return { spiffeId, claims: { ...claims }, keyId };
}

/** JWT-SVID §3.1. */
function subjectOf(claims: JwtClaims): SpiffeId {
  const subject = claims["sub"];
  if (typeof subject !== "string") throw fail("invalid", "token has no sub claim");
  const spiffeId = SpiffeId.parse(subject);
  if (spiffeId.path === "") throw fail("invalid", "token subject is a SPIFFE ID without a path");
  return spiffeId;
}

/** RFC 7519 §4.1.3: one text or a list of them; JWT-SVID §3.2 wants at least one. */
function audiencesOf(claims: JwtClaims): readonly string[] {
  const aud = claims["aud"];
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const texts = list.filter((value): value is string => typeof value === "string" && value !== "");
  if (texts.length === 0 || texts.length !== list.length) {
    throw fail("invalid", "token has no aud claim of one or more texts");
  }
  return texts;
}

/** As go-jose, which SPIRE and go-spiffe stand on. */
const LEEWAY_SECONDS = 60;
