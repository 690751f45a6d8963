import { type KeyObject, createPublicKey } from "node:crypto";
import { toBase64Url } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import { keyTypeOfSpki } from "../keys/public-key.ts";

/** The public members of a JSON Web Key (RFC 7517, RFC 7518 §6). Every value is base64url. */
export type PublicJwk =
  | { readonly kty: "EC"; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: "RSA"; readonly n: string; readonly e: string }
  | { readonly kty: "AKP"; readonly alg: "ML-DSA-65"; readonly pub: string };

/**
 * A public key as JWK members.
 * @param spki DER SubjectPublicKeyInfo; EC and RSA of any size, since a foreign authority may use what we do not
 * @throws unsupported for other types, invalid when it is no key
 */
export function jwkFromSpki(spki: Uint8Array): PublicJwk {
  let jwk: ReturnType<typeof exportJwk>;
  try {
    jwk = exportJwk(createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }));
  } catch (cause) {
    throw fail("invalid", "public key cannot be read", { cause });
  }
  const { kty, crv, x, y, n, e } = jwk;
  if (keyTypeOfSpki(spki) === "ml-dsa-65") {
    return { kty: "AKP", alg: "ML-DSA-65", pub: toBase64Url(spki.subarray(-ML_DSA_65_BYTES)) };
  }
  if (kty === "EC" && crv !== undefined && x !== undefined && y !== undefined) {
    return { kty, crv, x, y };
  }
  if (kty === "RSA" && n !== undefined && e !== undefined) return { kty, n, e };
  throw fail("unsupported", `public key type ${String(kty)} has no place in a bundle`);
}

/**
 * The way back, for keys of the supported types only. Members other than the public ones are not looked at.
 * @returns DER SubjectPublicKeyInfo
 * @throws unsupported for another `kty`, curve or size; invalid when a member is missing or malformed
 */
export function spkiFromJwk(jwk: Readonly<Record<string, unknown>>): Uint8Array {
  const spki = importJwk(publicMembers(jwk)).export({ format: "der", type: "spki" });
  if (keyTypeOfSpki(spki) === undefined) {
    throw fail("unsupported", "jwk key size is not supported; use rsa 2048, 3072 or 4096");
  }
  return new Uint8Array(spki);
}

function exportJwk(key: KeyObject) {
  return key.export({ format: "jwk" });
}

function publicMembers(jwk: Readonly<Record<string, unknown>>): PublicJwk {
  const kty = jwk["kty"];
  if (kty === "EC") {
    const crv = jwk["crv"];
    const size = crv === "P-256" ? 32 : crv === "P-384" ? 48 : undefined;
    if (size === undefined || typeof crv !== "string") {
      throw fail("unsupported", "jwk curve is not supported; use P-256 or P-384");
    }
    return { kty, crv, x: coordinate(jwk, "x", size), y: coordinate(jwk, "y", size) };
  }
  if (kty === "RSA") return { kty, n: magnitude(jwk, "n"), e: magnitude(jwk, "e") };
  throw fail("unsupported", "jwk kty is not supported; use EC or RSA");
}

/** RFC 7518 §6.2.1.2: the full size of the curve, leading zeros included. */
function coordinate(jwk: Readonly<Record<string, unknown>>, member: string, size: number): string {
  const text = base64Url(jwk, member);
  if (Buffer.from(text, "base64url").length !== size) {
    throw fail("invalid", `jwk member ${member} is not ${size} bytes long`);
  }
  return text;
}

/** RFC 7518 §2, Base64urlUInt: no leading zero. */
function magnitude(jwk: Readonly<Record<string, unknown>>, member: string): string {
  const text = base64Url(jwk, member);
  const bytes = Buffer.from(text, "base64url");
  if (bytes[0] === 0) throw fail("invalid", `jwk member ${member} has leading zeros`);
  return text;
}

function base64Url(jwk: Readonly<Record<string, unknown>>, member: string): string {
  const text = jwk[member];
  if (typeof text !== "string" || text === "") {
    throw fail("invalid", `jwk member ${member} is missing`);
  }
  if (text.length > MAX_MEMBER || Buffer.from(text, "base64url").toString("base64url") !== text) {
    throw fail("invalid", `jwk member ${member} is not base64url`);
  }
  return text;
}

function importJwk(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch (cause) {
    throw fail("invalid", "jwk is not a valid key", { cause });
  }
}

/** FIPS 204 §4. */
const ML_DSA_65_BYTES = 1952;
/** An RSA-8192 modulus, with room. */
const MAX_MEMBER = 2048;
