import type { KeyType } from "../keys/contract.ts";
import { type Hash, keyTypeOfSpki } from "../keys/public-key.ts";
import { verifySignature } from "../keys/verify-signature.ts";
import { signingHash } from "../keys/software-signer.ts";
import { type DerCursor, TAG, malformed, nullValue, oid, oidOf, seq } from "./der.ts";
import { OID } from "./oids.ts";

interface KnownAlgorithm {
  readonly family: "ecdsa" | "rsa" | "ml-dsa";
  /** Absent for ML-DSA. */
  readonly hash: Hash | undefined;
}

/** What an AlgorithmIdentifier says; `known` only for those that are accepted. */
export interface SignatureAlgorithm {
  readonly oid: string;
  readonly known?: KnownAlgorithm;
}

export interface SignedParams {
  readonly algorithm: SignatureAlgorithm;
  /** DER SubjectPublicKeyInfo of the one who is said to have signed. */
  readonly publicKey: Uint8Array;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads an AlgorithmIdentifier. ECDSA takes no parameters (RFC 5758 §3.2); so does ML-DSA (RFC 9881 §2); RSA has NULL, and absence
 * must be accepted too (RFC 4055 §5). An unknown algorithm is no error before a signature is to be checked.
 * @throws invalid
 */
export function readSignatureAlgorithm(cursor: DerCursor, what: string): SignatureAlgorithm {
  const inner = cursor.enter(TAG.sequence, `signature algorithm of the ${what}`);
  const id = oidOf(inner.read(TAG.oid), `signature algorithm of the ${what}`);
  const known = KNOWN.get(id);
  if (known === undefined) return { oid: id };
  if (known.family === "rsa") {
    const parameters = inner.optional(TAG.null);
    if (parameters !== undefined && parameters.content.length > 0) {
      throw malformed(`signature algorithm of the ${what}`, "has a null with content");
    }
  }
  inner.end();
  return { oid: id, known };
}

/** The AlgorithmIdentifier that a key of this type signs with (SHA-384 for ec-p384, else SHA-256). */
export function encodeSignatureAlgorithm(keyType: KeyType): Uint8Array {
  return ENCODED[keyType];
}

/**
 * Says why these cannot belong together, before any arithmetic.
 * @returns undefined when the algorithm is known and fits the key
 */
export function algorithmMismatch(
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
): string | undefined {
  if (algorithm.known === undefined) {
    const name = UNSUPPORTED.get(algorithm.oid);
    const which = name === undefined ? algorithm.oid : `${algorithm.oid}, ${name}`;
    return `signature algorithm ${which} is not supported; use ecdsa or rsa pkcs #1 with sha-256 or longer`;
  }
  const keyType = keyTypeOfSpki(publicKey);
  if (keyType === undefined) return "signing key type is not supported";
  const family = familyOf(keyType);
  if (family !== algorithm.known.family) return "signature algorithm does not fit the signing key";
  return undefined;
}

/** False also for an algorithm that is unknown or does not fit the key. */
export async function checkSigned(params: SignedParams): Promise<boolean> {
  const { algorithm, publicKey, data, signature } = params;
  if (algorithm.known === undefined || algorithmMismatch(algorithm, publicKey)) return false;
  return verifySignature({ publicKey, data, signature, hash: algorithm.known.hash });
}

const KNOWN: ReadonlyMap<string, KnownAlgorithm> = new Map<string, KnownAlgorithm>([
  [OID.ecdsaWithSha256, { family: "ecdsa", hash: "sha256" }],
  [OID.ecdsaWithSha384, { family: "ecdsa", hash: "sha384" }],
  [OID.ecdsaWithSha512, { family: "ecdsa", hash: "sha512" }],
  [OID.sha256WithRsa, { family: "rsa", hash: "sha256" }],
  [OID.sha384WithRsa, { family: "rsa", hash: "sha384" }],
  [OID.sha512WithRsa, { family: "rsa", hash: "sha512" }],
  // For keys and signatures alike (RFC 9881 §2).
  [OID.mlDsa65, { family: "ml-dsa", hash: undefined }],
]);

/** Named so that a refusal can say more than a number. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ["1.2.840.113549.1.1.4", "md5 with rsa"],
  ["1.2.840.113549.1.1.5", "sha-1 with rsa"],
  ["1.2.840.10045.4.1", "ecdsa with sha-1"],
  ["1.2.840.113549.1.1.10", "rsa-pss"],
  ["1.3.101.112", "ed25519"],
  ["1.3.101.113", "ed448"],
]);

function familyOf(keyType: KeyType): KnownAlgorithm["family"] {
  if (keyType === "ml-dsa-65") return "ml-dsa";
  return keyType.startsWith("ec-") ? "ecdsa" : "rsa";
}

const ENCODED: Readonly<Record<KeyType, Uint8Array>> = {
  "ec-p256": encode("ec-p256"),
  "ec-p384": encode("ec-p384"),
  "rsa-2048": encode("rsa-2048"),
  "rsa-3072": encode("rsa-3072"),
  "rsa-4096": encode("rsa-4096"),
  "ml-dsa-65": encode("ml-dsa-65"),
};

function encode(keyType: KeyType): Uint8Array {
  const family = familyOf(keyType);
  for (const [id, known] of KNOWN) {
    if (known.family === family && known.hash === signingHash(keyType)) {
      return family === "rsa" ? seq(oid(id), nullValue()) : seq(oid(id));
    }
  }
  throw new TypeError(`no signature algorithm for ${keyType}`);
}
