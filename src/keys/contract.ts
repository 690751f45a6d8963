/**
 * The one seam to private keys: whoever signs holds a `Signer`, never a key.
 */
export const KEY_TYPES = ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"] as const;

/** Off unless the operator asks for them: the standards are young and few verifiers know them (FIPS 204, RFC 9881). */
export const EXPERIMENTAL_KEY_TYPES = ["ml-dsa-65"] as const;

/** Every type that is known here; only `KEY_TYPES` sign tokens. */
export const ALL_KEY_TYPES = [...KEY_TYPES, ...EXPERIMENTAL_KEY_TYPES] as const;

export type KeyType = (typeof ALL_KEY_TYPES)[number];

export type TokenKeyType = (typeof KEY_TYPES)[number];

/** Whether keys of the type are experimental. */
export function isExperimental(
  keyType: KeyType | undefined,
): keyType is (typeof EXPERIMENTAL_KEY_TYPES)[number] {
  return EXPERIMENTAL_KEY_TYPES.some((type) => type === keyType);
}

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
