import { createHash } from "node:crypto";
import { fail } from "../../../base/errors.ts";
import { type KeyType, isExperimental } from "../../../keys/contract.ts";
import { keyTypeOfSpki } from "../../../keys/public-key.ts";
import { signingHash } from "../../../keys/software-signer.ts";
import {
  bitString,
  integer,
  nullValue,
  octetString,
  oid,
  readTlv,
  seq,
} from "../../../x509/der.ts";

/** What PKCS #11 needs to know of a key type. */
export type TokenKeyKind =
  | { readonly family: "ec" /** DER OBJECT IDENTIFIER of the curve. */; readonly params: Buffer }
  | { readonly family: "rsa"; readonly bits: number };

/** @throws unsupported for a type that no token makes */
export function tokenKeyKind(keyType: KeyType): TokenKeyKind {
  if (keyType === "ec-p256") return { family: "ec", params: Buffer.from(oid(P256)) };
  if (keyType === "ec-p384") return { family: "ec", params: Buffer.from(oid(P384)) };
  if (isExperimental(keyType)) {
    throw fail("unsupported", `the key manager pkcs11 makes no keys of type ${keyType}`);
  }
  return { family: "rsa", bits: Number(keyType.slice("rsa-".length)) };
}

/**
 * SubjectPublicKeyInfo of an EC key, from CKA_EC_PARAMS and CKA_EC_POINT. The point is a DER OCTET STRING (PKCS #11
 * v2.40 §2.3.3); some modules give it bare.
 * @throws invalid
 */
export function ecSpki(params: Uint8Array, point: Uint8Array): Uint8Array {
  const raw = BARE_LENGTHS.has(point.length) ? point : readTlv(point, 0, "ec point").content;
  return supported(seq(seq(oid(EC_PUBLIC_KEY), params), bitString(raw)));
}

/** @throws invalid */
export function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const key = seq(integer(modulus), integer(exponent));
  return supported(seq(seq(oid(RSA_ENCRYPTION), nullValue()), bitString(key)));
}

/** What CKM_ECDSA (the hash) or CKM_RSA_PKCS (a DigestInfo, RFC 8017 §9.2) signs. */
export function digestToSign(keyType: KeyType, data: Uint8Array): Buffer {
  const hash = createHash(signingHash(keyType) ?? "sha256")
    .update(data)
    .digest();
  if (keyType.startsWith("ec-")) return hash;
  return Buffer.from(seq(seq(oid(SHA_256), nullValue()), octetString(hash)));
}

function supported(spki: Uint8Array): Uint8Array {
  if (keyTypeOfSpki(spki) !== undefined) return spki;
  throw fail("invalid", "the token holds a key of a type that is not supported under this name");
}

/** An uncompressed point as it is; in its OCTET STRING it has two bytes more. */
const BARE_LENGTHS: ReadonlySet<number> = new Set([65, 97]);
const P256 = "1.2.840.10045.3.1.7";
const P384 = "1.3.132.0.34";
const EC_PUBLIC_KEY = "1.2.840.10045.2.1";
const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
const SHA_256 = "2.16.840.1.101.3.4.2.1";
