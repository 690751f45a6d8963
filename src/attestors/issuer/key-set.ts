/** The public keys of an issuer: a JSON Web Key Set (RFC 7517 §5), read leniently, used strictly. */
import { type KeyObject, constants, createPublicKey, verify } from "node:crypto";
import { fail } from "../../base/errors.ts";
import type { ForeignToken, TokenAlgorithm } from "./foreign-token.ts";

/** Keys that can check a token; those of other types and uses are left out, as RFC 7517 §5 has it. */
export interface KeySet {
  readonly keys: readonly IssuerKey[];
}

export interface IssuerKey {
  /** Absent: the set has a key without a name. */
  readonly keyId?: string;
  /** The algorithms it may check: by its type and curve, and by its own `alg` where it has one. */
  readonly algorithms: readonly TokenAlgorithm[];
  readonly key: KeyObject;
}

/** @throws invalid when it is no key set, has more than 100 keys, or none that could check a token */
export function parseKeySet(text: string): KeySet {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail("invalid", "key set is not json", { cause });
  }
  const list = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw fail("invalid", "key set has no list of keys");
  if (list.length > MAX_KEYS) throw fail("invalid", `key set has more than ${MAX_KEYS} keys`);
  const keys = list.flatMap((each: unknown) => importKey(each) ?? []);
  if (keys.length === 0) {
    throw fail("invalid", "key set has no rsa, ec or ed25519 key for signatures");
  }
  return { keys };
}

/**
 * The keys that this token may be signed with: those with its key id. A token without one is checked only against a
 * set with a single fitting key, so that no key is ever guessed.
 */
export function keysFor(set: KeySet, { keyId, algorithm }: ForeignToken): readonly IssuerKey[] {
  const fitting = set.keys.filter(({ algorithms }) => algorithms.includes(algorithm));
  if (keyId === undefined) return fitting.length === 1 ? fitting : [];
  return fitting.filter((key) => key.keyId === keyId).slice(0, MAX_SAME_ID);
}

/** Whether the key fits the token's signature; on a thread of the pool. */
export function checkSignature(key: IssuerKey, token: ForeignToken): Promise<boolean> {
  const { algorithm, signingInput, signature } = token;
  if (!key.algorithms.includes(algorithm)) return Promise.resolve(false);
  const hash = algorithm === "EdDSA" ? null : `sha${algorithm.slice(2)}`;
  const pss = {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
  const input = {
    key: key.key,
    // RFC 7518 §3.4: `r || s`, each as long as the curve; node checks the length.
    dsaEncoding: "ieee-p1363" as const,
    ...(algorithm.startsWith("PS") ? pss : {}),
  };
  return new Promise((resolve) => {
    verify(hash, signingInput, input, signature, (error, fits) => resolve(error === null && fits));
  });
}

function importKey(value: unknown): IssuerKey | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const jwk = value as Readonly<Record<string, unknown>>;
  if (jwk["use"] !== undefined && jwk["use"] !== "sig") return undefined;
  const operations = jwk["key_ops"];
  if (Array.isArray(operations) && !operations.includes("verify")) return undefined;
  const members = publicMembers(jwk);
  const able = members === undefined ? undefined : ALGORITHMS.get(typeOf(members));
  if (members === undefined || able === undefined) return undefined;
  const algorithms = jwk["alg"] === undefined ? able : able.filter((alg) => alg === jwk["alg"]);
  if (algorithms.length === 0) return undefined;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: members, format: "jwk" });
  } catch {
    // One broken key does not take the others away; a token that names it finds none.
    return undefined;
  }
  if (!isSizeFit(key)) return undefined;
  const keyId = jwk["kid"];
  return { algorithms, key, ...(typeof keyId === "string" ? { keyId } : {}) };
}

function publicMembers(jwk: Readonly<Record<string, unknown>>): Record<string, string> | undefined {
  const { kty } = jwk;
  const names =
    kty === "RSA"
      ? ["kty", "n", "e"]
      : kty === "EC"
        ? ["kty", "crv", "x", "y"]
        : kty === "OKP"
          ? ["kty", "crv", "x"]
          : undefined;
  if (names === undefined) return undefined;
  const members: Record<string, string> = {};
  for (const name of names) {
    const member = jwk[name];
    if (typeof member !== "string" || member.length > MAX_MEMBER) return undefined;
    members[name] = member;
  }
  // A long exponent makes each check dear for nothing.
  if ((members["e"] ?? "").length > MAX_EXPONENT) return undefined;
  return members;
}

function typeOf(members: Record<string, string>): string {
  return members["crv"] ?? members["kty"] ?? "";
}

function isSizeFit({ asymmetricKeyDetails }: KeyObject): boolean {
  const bits = asymmetricKeyDetails?.modulusLength;
  return bits === undefined || (bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS);
}

const ALGORITHMS: ReadonlyMap<string, readonly TokenAlgorithm[]> = new Map([
  ["RSA", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]],
  ["P-256", ["ES256"]],
  ["P-384", ["ES384"]],
  ["P-521", ["ES512"]],
  ["Ed25519", ["EdDSA"]],
]);
const MAX_KEYS = 100;
/** Keys that share one id, which should not be. */
const MAX_SAME_ID = 4;
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
/** An RSA-8192 modulus, with room. */
const MAX_MEMBER = 2048;
/** Base64url of 4 bytes. */
const MAX_EXPONENT = 6;
