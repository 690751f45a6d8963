import { fail } from "../../base/errors.ts";
import { importSpki } from "../../keys/public-key.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeBundleRecord } from "../../spiffe/bundle-document.ts";
import { checkTrustDomainName } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { BundleReader } from "../datastore/contract.ts";

/** What a caller may say about another domain's bundle; the store counts the sequence. */
export type ForeignBundle = Omit<Bundle, "sequence">;

/** The parts of a foreign bundle to replace; absent ones stay. */
export type BundlePatch = Partial<Omit<ForeignBundle, "trustDomain">>;

/**
 * Checks a foreign bundle whole (each certificate and key is readable, everything within bounds) and encodes it.
 * An authority that is listed twice is kept once.
 * @throws invalid, naming the trust domain and the authority's place
 */
export function encodeForeignBundle(bundle: ForeignBundle): string {
  checkTrustDomainName(bundle.trustDomain);
  const { trustDomain, refreshHint } = bundle;
  const count = bundle.x509Authorities.length + bundle.jwtAuthorities.length;
  if (count > MAX_AUTHORITIES) {
    throw fail("invalid", `bundle of ${trustDomain} has more than ${MAX_AUTHORITIES} authorities`);
  }
  if (!Number.isSafeInteger(refreshHint) || refreshHint < 0 || refreshHint > MAX_REFRESH_HINT) {
    throw fail("invalid", `refresh hint of ${trustDomain} is not within 0..${MAX_REFRESH_HINT} s`);
  }
  const content = encodeBundleRecord({
    trustDomain,
    refreshHint,
    sequence: 0,
    x509Authorities: x509Authorities(bundle),
    jwtAuthorities: jwtAuthorities(bundle),
  });
  if (content.length > MAX_CONTENT) {
    throw fail("invalid", `bundle of ${trustDomain} is larger than ${MAX_CONTENT} bytes`);
  }
  return content;
}

/** @throws limited when the server cannot hold one more */
export async function checkBundleCount(bundles: Pick<BundleReader, "count">): Promise<void> {
  if ((await bundles.count()) < MAX_BUNDLES) return;
  throw fail("limited", `the server holds ${MAX_BUNDLES} bundles; delete one first`);
}

function x509Authorities(bundle: ForeignBundle): Bundle["x509Authorities"] {
  const byContent = new Map<string, Bundle["x509Authorities"][number]>();
  for (const [index, authority] of bundle.x509Authorities.entries()) {
    if (authority.der.length > MAX_CERTIFICATE) throw unreadable(bundle, "X.509", index);
    try {
      parseCertificate(authority.der);
    } catch (cause) {
      throw unreadable(bundle, "X.509", index, cause);
    }
    const key = Buffer.from(authority.der).toString("base64");
    if (!byContent.has(key)) byContent.set(key, authority);
  }
  return [...byContent.values()];
}

function jwtAuthorities(bundle: ForeignBundle): Bundle["jwtAuthorities"] {
  const byId = new Map<string, Bundle["jwtAuthorities"][number]>();
  for (const [index, authority] of bundle.jwtAuthorities.entries()) {
    const { keyId, publicKey, expiresAt } = authority;
    if (keyId === "" || keyId.length > MAX_KEY_ID || !keyId.isWellFormed()) {
      throw fail(
        "invalid",
        `JWT authority ${index + 1} of ${bundle.trustDomain} has no key id of 1..${MAX_KEY_ID} characters`,
      );
    }
    if (!Number.isSafeInteger(expiresAt) || expiresAt < 0) {
      throw fail("invalid", `JWT authority ${index + 1} of ${bundle.trustDomain} has no valid end`);
    }
    try {
      if (publicKey.length > MAX_CERTIFICATE) throw unreadable(bundle, "JWT", index);
      importSpki(publicKey);
    } catch (cause) {
      throw unreadable(bundle, "JWT", index, cause);
    }
    if (!byId.has(keyId)) byId.set(keyId, authority);
  }
  return [...byId.values()];
}

function unreadable(bundle: ForeignBundle, kind: string, index: number, cause?: unknown): Error {
  return fail(
    "invalid",
    `${kind} authority ${index + 1} of ${bundle.trustDomain} cannot be read`,
    cause === undefined ? {} : { cause },
  );
}

/** All of them are in memory. */
const MAX_BUNDLES = 10_000;
const MAX_AUTHORITIES = 1000;
const MAX_CONTENT = 1024 * 1024;
const MAX_CERTIFICATE = 64 * 1024;
const MAX_KEY_ID = 255;
/** One year, in seconds. */
export const MAX_REFRESH_HINT = 366 * 24 * 3600;
