/**
 * The one seam to private keys: whoever signs holds a `Signer`, never a key.
 */
export const KEY_TYPES = ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"] as const;

/** Off unless the operator asks for them: the standards are young and few verifiers know them (FIPS 204, RFC 9881). */
export const EXPERIMENTAL_KEY_TYPES = ["ml-dsa-65"] as const;

/** Every type that is known here; only `KEY_TYPES` sign tokens. */
export const ALL_KEY_TYPES = [...KEY_TYPES, ...EXPERIMENTAL_KEY_TYPES] as const;

/** Curve or modulus, as settings name it. */
export type KeyType = (typeof ALL_KEY_TYPES)[number];

/** Of keys that sign tokens (JWT-SVID §2.1 has no algorithm for the others). */
export type TokenKeyType = (typeof KEY_TYPES)[number];

/** Whether keys of the type are experimental. */
export function isExperimental(
  keyType: KeyType | undefined,
): keyType is (typeof EXPERIMENTAL_KEY_TYPES)[number] {
  return EXPERIMENTAL_KEY_TYPES.some((type) => type === keyType);
}

/** A private key that signs and is never seen. */
export interface Signer {
  readonly keyType: KeyType;
  /** DER SubjectPublicKeyInfo (RFC 5280 §4.1). */
  readonly publicKey: Uint8Array;
  /**
   * Signs `data` (hashed inside: SHA-256, or SHA-384 for ec-p384) asynchronously.
   * ML-DSA signs the data as they are, without a context. ECDSA answers are DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3), RSA answers are PKCS #1 v1.5.
   */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** Somebody's signature, by which it shows that it holds a key. */
export interface Proof {
  /** DER SubjectPublicKeyInfo of a supported type. */
  readonly publicKey: Uint8Array;
  readonly data: Uint8Array;
  /** ECDSA: DER `Ecdsa-Sig-Value`. RSA: PKCS #1 v1.5. */
  readonly signature: Uint8Array;
  /** Undefined for ML-DSA, which signs the data as they are. */
  readonly hash: "sha256" | "sha384" | "sha512" | undefined;
}

/** A signer that checks a proof and signs in one piece of work, which costs less than two. */
export interface ProvingSigner extends Signer {
  /**
   * As `sign`, once the proof was found to fit.
   * @returns undefined when it does not fit; nothing was signed then
   * @throws invalid when the proof's key is none
   */
  signProven(proof: Proof, data: Uint8Array): Promise<Uint8Array | undefined>;
}

/** Whether it can check a proof in the same piece of work. */
export function isProving(signer: Signer): signer is ProvingSigner {
  return "signProven" in signer;
}
