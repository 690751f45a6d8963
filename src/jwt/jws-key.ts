/**
 * Public keys that strangers sign requests with, as JWKs (RFC 7517, RFC 7518 §6, RFC 8037 §2): more kinds than the
 * product itself makes. Members are checked before OpenSSL sees them.
 */
import { type KeyObject, createHash, createPublicKey, verify } from "node:crypto";
import { fail } from "../base/errors.ts";

/** RFC 7518 §3.1, RFC 8037 §3.1. */
export const JWS_ALGORITHMS = ["RS256", "ES256", "ES384", "ES512", "EdDSA"] as const;
export type JwsAlgorithm = (typeof JWS_ALGORITHMS)[number];

type PublicMembers = Readonly<Record<string, string>> & { readonly kty: string };

export interface JwsKey {
  /** The one algorithm that a key of its type signs with here. */
  readonly algorithm: JwsAlgorithm;
  /** Its public members alone, in the order of RFC 7638 §3.2, without spaces. */
  readonly jwk: string;
  /** RFC 7638 with SHA-256, base64url. */
  readonly thumbprint: string;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** ECDSA signatures are `r || s`. */
  verify(data: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/**
 * RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, Ed25519.
 * @throws unsupported for another kind or size of key; invalid when a member is missing, malformed or no key, or when the
 * private key came along
 */
export function jwsKey(jwk: Readonly<Record<string, unknown>>): JwsKey {
  if (PRIVATE_MEMBERS.some((member) => jwk[member] !== undefined)) {
    throw fail("invalid", "jwk holds a private key; it is known to others now: make a new one");
  }
  const members = publicMembers(jwk);
  const text = JSON.stringify(members);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: members, format: "jwk" });
  } catch (cause) {
    throw fail("invalid", "jwk is not a valid key", { cause });
  }
  const algorithm = algorithmOf(members);
  return {
    algorithm,
    jwk: text,
    thumbprint: createHash("sha256").update(text).digest("base64url"),
    spki: new Uint8Array(key.export({ format: "der", type: "spki" })),
    verify: (data, signature) => verifyWith(key, algorithm, data, signature),
  };
}

function verifyWith(
  key: KeyObject,
  algorithm: JwsAlgorithm,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return new Promise((resolve) => {
    // OpenSSL answers some malformed signatures with an error instead of a plain no.
    const done = (error: Error | null, fits: boolean): void => resolve(error === null && fits);
    if (algorithm === "EdDSA") verify(null, data, key, signature, done);
    else if (algorithm === "RS256") verify("sha256", data, key, signature, done);
    else {
      const hash = `sha${algorithm.slice(2)}`;
      verify(hash, data, { key, dsaEncoding: "ieee-p1363" }, signature, done);
    }
  });
}

/** In the order of their names, as the thumbprint has them. */
function publicMembers(jwk: Readonly<Record<string, unknown>>): PublicMembers {
  const { kty, crv } = jwk;
  if (kty === "RSA") {
    const [e, n] = [magnitude(jwk, "e"), magnitude(jwk, "n")];
    checkRsa(bytesOf(e), bytesOf(n));
    return { e, kty, n };
  }
  if (kty === "EC") {
    const size = typeof crv === "string" ? CURVES.get(crv) : undefined;
    if (typeof crv !== "string" || size === undefined) {
      throw fail("unsupported", "jwk curve is not supported; use P-256, P-384 or P-521");
    }
    return { crv, kty, x: sized(jwk, "x", size), y: sized(jwk, "y", size) };
  }
  if (kty === "OKP") {
    if (crv !== "Ed25519") {
      throw fail("unsupported", "jwk curve is not supported; use Ed25519");
    }
    return { crv, kty, x: sized(jwk, "x", 32) };
  }
  throw fail("unsupported", "jwk kty is not supported; use EC, RSA or OKP");
}

function checkRsa(exponent: Uint8Array, modulus: Uint8Array): void {
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    const range = `${MIN_RSA_BITS} to ${MAX_RSA_BITS}`;
    throw fail("unsupported", `jwk is an rsa key of ${bits} bits; use ${range}`);
  }
  const isOdd = ((modulus.at(-1) ?? 0) & 1) === 1 && ((exponent.at(-1) ?? 0) & 1) === 1;
  const isSmall = exponent.length === 1 && (exponent[0] ?? 0) < 3;
  if (!isOdd || isSmall || exponent.length > MAX_EXPONENT_BYTES) {
    throw fail("unsupported", "jwk modulus or exponent is not one of an rsa key");
  }
}

function algorithmOf({ kty, crv }: { kty: string; crv?: string }): JwsAlgorithm {
  if (kty === "RSA") return "RS256";
  if (kty === "OKP") return "EdDSA";
  return crv === "P-256" ? "ES256" : crv === "P-384" ? "ES384" : "ES512";
}

/** RFC 7518 §6.2.1.2: the full size of the curve, leading zeros included. */
function sized(jwk: Readonly<Record<string, unknown>>, member: string, size: number): string {
  const text = base64Url(jwk, member);
  if (bytesOf(text).length === size) return text;
  throw fail("invalid", `jwk member ${member} is not ${size} bytes long`);
}

/** RFC 7518 §2, Base64urlUInt: no leading zero. */
function magnitude(jwk: Readonly<Record<string, unknown>>, member: string): string {
  const text = base64Url(jwk, member);
  if (bytesOf(text)[0] !== 0) return text;
  throw fail("invalid", `jwk member ${member} has leading zeros`);
}

function base64Url(jwk: Readonly<Record<string, unknown>>, member: string): string {
  const text = jwk[member];
  if (typeof text !== "string" || text === "") {
    throw fail("invalid", `jwk member ${member} is missing`);
  }
  if (text.length > MAX_MEMBER || bytesOf(text).toString("base64url") !== text) {
    throw fail("invalid", `jwk member ${member} is not base64url`);
  }
  return text;
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "base64url");
}

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] as const;
const CURVES: ReadonlyMap<string, number> = new Map([
  ["P-256", 32],
  ["P-384", 48],
  ["P-521", 66],
]);
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
/** Larger ones make each check dear. */
const MAX_EXPONENT_BYTES = 4;
/** An RSA-8192 modulus, with room. */
const MAX_MEMBER = 2048;
