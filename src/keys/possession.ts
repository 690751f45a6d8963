/**
 * Signatures that prove possession of a key made elsewhere: more kinds of keys than the product itself makes, and
 * SHA-256 for all of them. Nothing but a challenge is ever signed this way.
 */
import {
  type KeyObject,
  constants,
  createPrivateKey,
  createPublicKey,
  sign,
  verify,
} from "node:crypto";
import { fail } from "../base/errors.ts";

export interface ProofPublicKey {
  readonly family: "rsa" | "ecdsa";
  /** Bytes of one half of an ECDSA signature; 0 for RSA. */
  readonly halfBytes: number;
  /** RSA: RSASSA-PSS with any salt length. ECDSA: `r || s`, each of `halfBytes`. */
  verify(data: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

export interface ProofKey {
  readonly family: "rsa" | "ecdsa";
  readonly halfBytes: number;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** As `ProofPublicKey.verify` reads it; the salt is as long as the hash. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/**
 * The public key of a certificate that is trusted already: OpenSSL's work on keys that a stranger describes has no
 * small bound.
 * @throws invalid unless it is RSA of 2048 to 8192 bits or ECDSA on P-256, P-384 or P-521
 */
export function proofPublicKey(spki: Uint8Array): ProofPublicKey {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    throw fail("invalid", "public key cannot be read", { cause });
  }
  const shape = shapeOf(key);
  return {
    ...shape,
    verify: (data, signature) =>
      new Promise((resolve) => {
        const salt = constants.RSA_PSS_SALTLEN_AUTO;
        verify("sha256", data, { key, ...SCHEME[shape.family](salt) }, signature, (error, fits) =>
          resolve(error === null && fits),
        );
      }),
  };
}

/** Reads an unencrypted private key: PKCS #8, PKCS #1 or SEC 1, in PEM. @throws invalid, without its text */
export function proofKeyFromPem(pem: string): ProofKey {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: "pem" });
  } catch {
    // What OpenSSL says of a private key stays out of logs.
    throw fail("invalid", "private key cannot be read; write it in PEM without a passphrase");
  }
  const shape = shapeOf(key);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    ...shape,
    publicKey: new Uint8Array(spki),
    sign: (data) =>
      new Promise((resolve, reject) => {
        const salt = constants.RSA_PSS_SALTLEN_DIGEST;
        sign("sha256", data, { key, ...SCHEME[shape.family](salt) }, (error, signature) => {
          if (error !== null) reject(fail("internal", "signing failed", { cause: error }));
          else resolve(signature);
        });
      }),
  };
}

function shapeOf(key: KeyObject): { family: "rsa" | "ecdsa"; halfBytes: number } {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  const halfBytes = HALVES.get(namedCurve);
  if (key.asymmetricKeyType === "ec" && halfBytes !== undefined) {
    return { family: "ecdsa", halfBytes };
  }
  if (key.asymmetricKeyType === "rsa") {
    if (modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS) {
      return { family: "rsa", halfBytes: 0 };
    }
    throw fail(
      "invalid",
      `rsa key of ${modulusLength} bits is not supported; use ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`,
    );
  }
  throw fail("invalid", "key type is not supported; use rsa or ecdsa on p-256, p-384 or p-521");
}

const SCHEME = {
  rsa: (saltLength: number) => ({ padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  ecdsa: () => ({ dsaEncoding: "ieee-p1363" as const }),
};

const HALVES: ReadonlyMap<string, number> = new Map([
  ["prime256v1", 32],
  ["secp384r1", 48],
  ["secp521r1", 66],
]);
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
