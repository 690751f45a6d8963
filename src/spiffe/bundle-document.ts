import { bytesEqual, toBase64 } from "../base/bytes.ts";
import { fail, isKind } from "../base/errors.ts";
import { isObject } from "../base/is-object.ts";
import { jwkFromSpki, spkiFromJwk } from "../jwt/jwk.ts";
import { parseCertificate } from "../x509/certificate.ts";
import type { Bundle, JwtAuthority, X509Authority } from "./bundle.ts";
import { checkTrustDomainName } from "./trust-domain.ts";

/**
 * The SPIFFE bundle document (SPIFFE Trust Domain and Bundle §4): a JWK Set with `spiffe_sequence` and, where there
 * is one, `spiffe_refresh_hint`. X.509 entries have no `kid`; `keys` is always there, `[]` when nothing is trusted.
 * Whether an authority is tainted is the trust domain's own affair and does not appear.
 */
export function encodeBundleDocument(bundle: Bundle): string {
  return JSON.stringify({
    keys: [
      ...bundle.x509Authorities.map(({ der }) => ({
        use: "x509-svid",
        ...jwkFromSpki(parseCertificate(der).publicKey),
        x5c: [toBase64(der)],
      })),
      ...bundle.jwtAuthorities.map(({ keyId, publicKey }) => ({
        use: "jwt-svid",
        kid: keyId,
        ...jwkFromSpki(publicKey),
      })),
    ],
    spiffe_sequence: bundle.sequence,
    ...(bundle.refreshHint > 0 ? { spiffe_refresh_hint: bundle.refreshHint } : {}),
  });
}

/**
 * Reads a bundle document. Entries of an unknown `use` or `kty` are skipped, as the standard demands; anything wrong
 * with an entry that is known refuses the whole bundle, so that nobody trusts half of what was published.
 * A sequence beyond 2^53 - 1 is taken as 2^53 - 1: it is only ever shown, content decides what has changed.
 * @throws invalid
 */
export function parseBundleDocument(trustDomain: string, text: string): Bundle {
  checkTrustDomainName(trustDomain);
  const document = parseJson(text);
  const keys = document["keys"];
  if (!Array.isArray(keys)) throw fail("invalid", "bundle document has no list 'keys'");
  if (keys.length > MAX_KEYS)
    throw fail("invalid", `bundle document has more than ${MAX_KEYS} keys`);
  const x509 = new Map<string, X509Authority>();
  const jwt = new Map<string, JwtAuthority>();
  keys.forEach((entry: unknown, index) => {
    if (!isObject(entry)) throw fail("invalid", `bundle key ${index} is not a json object`);
    const isX509Only = entry["kty"] === "AKP" && entry["use"] === "x509-svid";
    if (entry["kty"] !== "EC" && entry["kty"] !== "RSA" && !isX509Only) return;
    if (entry["use"] === "x509-svid") addX509(x509, entry, index);
    else if (entry["use"] === "jwt-svid") addJwt(jwt, entry, index);
  });
  return {
    trustDomain,
    x509Authorities: [...x509.values()],
    jwtAuthorities: [...jwt.values()],
    refreshHint: countOf(document, "spiffe_refresh_hint"),
    sequence: countOf(document, "spiffe_sequence"),
  };
}

/** The JWK Set of the Workload API's JWT bundles: keys with `kid`, no `use`, no `spiffe_` members. UTF-8 JSON. */
export function encodeJwks(jwtAuthorities: readonly JwtAuthority[]): Uint8Array {
  const keys = jwtAuthorities.map(({ keyId, publicKey }) => ({
    kid: keyId,
    ...jwkFromSpki(publicKey),
  }));
  return Buffer.from(JSON.stringify({ keys }), "utf8");
}

/** A bundle as the datastore keeps it: JSON text with everything but name and sequence, which the row has. */
export function encodeBundleRecord(bundle: Bundle): string {
  return JSON.stringify({
    version: 1,
    refreshHint: bundle.refreshHint,
    x509: bundle.x509Authorities.map(({ der, tainted }) => ({ der: toBase64(der), tainted })),
    jwt: bundle.jwtAuthorities.map(({ publicKey, ...rest }) => ({
      ...rest,
      publicKey: toBase64(publicKey),
    })),
  });
}

/** The way back. @throws internal when the text was not written by `encodeBundleRecord` */
export function parseBundleRecord(trustDomain: string, content: string, sequence: number): Bundle {
  let record: unknown;
  try {
    record = JSON.parse(content);
  } catch (cause) {
    throw damaged(trustDomain, cause);
  }
  if (!isObject(record) || record["version"] !== 1) throw damaged(trustDomain);
  const { refreshHint, x509, jwt } = record;
  if (typeof refreshHint !== "number" || !Array.isArray(x509) || !Array.isArray(jwt)) {
    throw damaged(trustDomain);
  }
  return {
    trustDomain,
    x509Authorities: x509.map((entry) => x509Of(trustDomain, entry)),
    jwtAuthorities: jwt.map((entry) => jwtOf(trustDomain, entry)),
    refreshHint,
    sequence,
  };
}

function addX509(found: Map<string, X509Authority>, entry: JsonObject, index: number): void {
  const x5c = entry["x5c"];
  if (x5c === undefined) return;
  const [text, ...others]: readonly unknown[] = Array.isArray(x5c) ? x5c : [];
  if (typeof text !== "string" || others.length > 0) {
    throw fail("invalid", `bundle key ${index} does not have exactly one x5c certificate`);
  }
  const der = Buffer.from(text, "base64");
  if (der.toString("base64") !== text) {
    throw fail("invalid", `bundle key ${index} has an x5c certificate that is not base64`);
  }
  try {
    parseCertificate(der);
  } catch (cause) {
    throw fail("invalid", `bundle key ${index}: ${messageOf(cause)}`, { cause });
  }
  found.set(text, { der: new Uint8Array(der), tainted: false });
}

function addJwt(found: Map<string, JwtAuthority>, entry: JsonObject, index: number): void {
  const keyId = entry["kid"];
  if (typeof keyId !== "string" || keyId === "") {
    throw fail("invalid", `bundle key ${index} is a jwt key without a kid`);
  }
  let publicKey: Uint8Array;
  try {
    publicKey = spkiFromJwk(entry);
  } catch (cause) {
    if (isKind(cause, "unsupported")) return;
    throw fail("invalid", `bundle key ${index}: ${messageOf(cause)}`, { cause });
  }
  const other = found.get(keyId);
  if (other !== undefined && !bytesEqual(other.publicKey, publicKey)) {
    throw fail("invalid", `bundle key ${index} repeats the kid of another key`);
  }
  found.set(keyId, { keyId, publicKey, expiresAt: 0, tainted: false });
}

function parseJson(text: string): JsonObject {
  if (text.length > MAX_DOCUMENT) {
    throw fail("invalid", `bundle document is longer than ${MAX_DOCUMENT} characters`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's words would quote a foreign server's answer.
    throw fail("invalid", "bundle document is not json");
  }
  if (!isObject(value)) throw fail("invalid", "bundle document is not a json object");
  return value;
}

function countOf(document: JsonObject, member: string): number {
  const value = document[member];
  if (value === undefined) return 0;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw fail("invalid", `bundle member ${member} is not a non-negative integer`);
  }
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : "it is malformed";
}

function x509Of(trustDomain: string, entry: unknown): X509Authority {
  if (!isObject(entry)) throw damaged(trustDomain);
  const { der, tainted } = entry;
  if (typeof der !== "string" || typeof tainted !== "boolean") throw damaged(trustDomain);
  return { der: fromBase64(der), tainted };
}

function jwtOf(trustDomain: string, entry: unknown): JwtAuthority {
  if (!isObject(entry)) throw damaged(trustDomain);
  const { keyId, publicKey, expiresAt, tainted } = entry;
  if (
    typeof keyId !== "string" ||
    typeof publicKey !== "string" ||
    typeof expiresAt !== "number" ||
    typeof tainted !== "boolean"
  ) {
    throw damaged(trustDomain);
  }
  return { keyId, publicKey: fromBase64(publicKey), expiresAt, tainted };
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

function damaged(trustDomain: string, cause?: unknown): Error {
  return fail(
    "internal",
    `stored bundle of '${trustDomain}' is damaged; restore the database from a backup`,
    { cause },
  );
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Every web authority there is, twice. */
const MAX_DOCUMENT = 1024 * 1024;
const MAX_KEYS = 1024;
