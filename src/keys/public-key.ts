import { type KeyObject, createPublicKey } from "node:crypto";
import { type AssayError, fail } from "../base/errors.ts";
import type { KeyType } from "./contract.ts";

/** Hashes that certificates, requests and tokens may be signed with; SHA-1 and shorter are not among them. */
export type Hash = "sha256" | "sha384" | "sha512";

/**
 * The key type of a DER SubjectPublicKeyInfo, from its bytes alone.
 *
 * Only the one canonical encoding of each supported type is known: uncompressed P-256 and P-384 points
 * (RFC 5480 §2), ML-DSA-65 keys (RFC 9881 §4) and RSA keys of exactly 2048, 3072 or 4096 bits with an odd exponent (RFC 3279 §2.3.1).
 * @returns undefined when the key is of another type, size or encoding
 */
export function keyTypeOfSpki(spki: Uint8Array): KeyType | undefined {
  if (spki.length === 91 && startsWith(spki, P256_PREFIX)) return "ec-p256";
  if (spki.length === 120 && startsWith(spki, P384_PREFIX)) return "ec-p384";
  if (spki.length === 1974 && startsWith(spki, ML_DSA_65_PREFIX)) return "ml-dsa-65";
  for (const [keyType, bits] of RSA_SIZES) {
    if (isRsaSpki(spki, bits / 8)) return keyType;
  }
  return undefined;
}

/**
 * Names the type of a key that is not supported, for messages: `ed448`, `rsa 1024 bits`, `ec secp521r1`. Looks for
 * the algorithm's identifier only: nothing but RSA is handed to OpenSSL, whose work on curves that a stranger
 * describes has no small bound.
 */
export function describeSpki(spki: Uint8Array): string {
  const start = Buffer.from(spki.subarray(0, 40)).toString("hex");
  for (const [identifier, name] of NAMES) {
    if (!start.includes(identifier)) continue;
    return name === "rsa" ? `rsa ${rsaBitsOf(spki) ?? "?"} bits` : name;
  }
  return "unknown";
}

/**
 * Imports a supported public key. The result is remembered for as long as the very same array lives, which must
 * therefore not be written to.
 * @throws invalid when the type is not supported or the point is not on its curve
 */
export function importSpki(spki: Uint8Array): KeyObject {
  const known = imported.get(spki);
  if (known !== undefined) return known;
  requireSupported(spki);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    throw noValidKey(cause);
  }
  imported.set(spki, key);
  return key;
}

/** Whether `importSpki` remembers it. */
export function isImported(spki: Uint8Array): boolean {
  return imported.has(spki);
}

/** @throws invalid when the type is not supported, before OpenSSL sees the key */
export function requireSupported(spki: Uint8Array): void {
  if (keyTypeOfSpki(spki) !== undefined) return;
  throw fail("invalid", `public key type is not supported (${describeSpki(spki)}); ${USE_THESE}`);
}

/** For a key of a supported type whose numbers are none: a point that is not on its curve. */
export function noValidKey(cause?: unknown): AssayError {
  return fail(
    "invalid",
    "public key is not a valid key of its type",
    cause === undefined ? {} : { cause },
  );
}

function rsaBitsOf(spki: Uint8Array): number | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return key.asymmetricKeyDetails?.modulusLength;
  } catch {
    // Not readable as RSA either; the message does without the size.
    return undefined;
  }
}

function isRsaSpki(spki: Uint8Array, modulusBytes: number): boolean {
  const exponentBytes = spki.length - modulusBytes - RSA_OVERHEAD;
  if (exponentBytes < 1 || exponentBytes > MAX_EXPONENT_BYTES) return false;
  // The lengths below are all of the two-byte form for these sizes, so one template describes every such key.
  const keyLength = modulusBytes + exponentBytes + 7;
  const template = Buffer.concat([
    sequenceOf(keyLength + 24),
    RSA_ALGORITHM,
    Uint8Array.of(0x03, 0x82, ...twoBytes(keyLength + 5), 0x00),
    sequenceOf(keyLength),
    Uint8Array.of(0x02, 0x82, ...twoBytes(modulusBytes + 1), 0x00),
  ]);
  if (!startsWith(spki, template)) return false;
  const modulus = spki.subarray(template.length, template.length + modulusBytes);
  const exponent = spki.subarray(template.length + modulusBytes);
  if (((modulus[0] ?? 0) & 0x80) === 0 || ((modulus.at(-1) ?? 0) & 1) === 0) return false;
  if (exponent[0] !== 0x02 || exponent[1] !== exponentBytes) return false;
  const first = exponent[2] ?? 0;
  const last = exponent.at(-1) ?? 0;
  if (first === 0 || (first & 0x80) !== 0 || (last & 1) === 0) return false;
  return exponentBytes > 1 || first >= 3;
}

function sequenceOf(length: number): Uint8Array {
  return Uint8Array.of(0x30, 0x82, ...twoBytes(length));
}

function twoBytes(value: number): [number, number] {
  return [value >> 8, value & 0xff];
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

const imported = new WeakMap<Uint8Array, KeyObject>();

const USE_THESE = "use ec p-256, ec p-384, rsa 2048, 3072 or 4096";

/** Hex of the OBJECT IDENTIFIER elements; curves come before the ecPublicKey that stands in front of them. */
const NAMES: readonly (readonly [string, string])[] = [
  ["06052b81040023", "ec secp521r1"],
  ["06052b81040021", "ec secp224r1"],
  ["06052b8104000a", "ec secp256k1"],
  ["06072a8648ce3d0201", "ec with another curve or encoding"],
  ["06092a864886f70d01010a", "rsa-pss"],
  ["06092a864886f70d010101", "rsa"],
  ["06072a8648ce380401", "dsa"],
  ["06032b656e", "x25519"],
  ["06032b656f", "x448"],
  ["06032b6570", "ed25519"],
  ["06032b6571", "ed448"],
  ["0609608648016503040311", "ml-dsa-44"],
  ["0609608648016503040313", "ml-dsa-87"],
];

const RSA_SIZES: readonly (readonly [KeyType, number])[] = [
  ["rsa-2048", 2048],
  ["rsa-3072", 3072],
  ["rsa-4096", 4096],
];

/** SEQUENCE { rsaEncryption, NULL } */
const RSA_ALGORITHM = Buffer.from("300d06092a864886f70d0101010500", "hex");
/** All bytes of an RSA SPKI that are neither modulus nor exponent: see `template` and the exponent's header. */
const RSA_OVERHEAD = 4 + 15 + 5 + 4 + 5 + 2;
/** Go and OpenSSL both refuse larger ones sooner or later. */
const MAX_EXPONENT_BYTES = 4;
/** SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING { 0 unused, 0x04 (uncompressed) ... } } */
const P256_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");
const P384_PREFIX = Buffer.from("3076301006072a8648ce3d020106052b8104002203620004", "hex");
/** SEQUENCE { SEQUENCE { id-ml-dsa-65 }, BIT STRING { 0 unused, 1952 bytes } } */
const ML_DSA_65_PREFIX = Buffer.from("308207b2300b0609608648016503040312038207a100", "hex");
