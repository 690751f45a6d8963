/**
 * The one seam to private keys: whoever signs holds a `Signer`, never a key.
 */
export const KEY_TYPES = ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"] as const;

export type KeyType = (typeof KEY_TYPES)[number];

export interface Signer {
  readonly keyType: KeyType;
  /** DER SubjectPublicKeyInfo (RFC 5280 §4.1). */
  readonly publicKey: Uint8Array;
  /**
   * Signs `data` (hashed inside: SHA-256, or SHA-384 for ec-p384) asynchronously.
   * ECDSA answers are DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3), RSA answers are PKCS #1 v1.5.
   */
  sign(data: Uint8Array): Promise<Uint8Array>;
}
