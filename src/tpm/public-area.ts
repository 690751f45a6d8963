/** Public areas of keys: TPMT_PUBLIC (TCG TPM 2.0 Library, Part 2 §12.2.4). */
import { type KeyObject, createHash, createPublicKey } from "node:crypto";
import { concatBytes, toBase64Url } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import { ALG, ATTRIBUTE } from "./constants.ts";
import { type TpmHash, readHash } from "./hash.ts";
import { TpmReader, sized, u16, u32 } from "./wire.ts";

export interface TpmScheme {
  readonly kind: "rsassa" | "rsapss" | "ecdsa";
  readonly hash: TpmHash;
}

export type TpmCurve = "P-256" | "P-384" | "P-521";

export type TpmKey =
  /** An empty modulus asks the TPM for a key, in a template. */
  | { readonly type: "rsa"; readonly bits: number; readonly modulus: Uint8Array }
  | {
      readonly type: "ecc";
      readonly curve: TpmCurve;
      readonly x: Uint8Array;
      readonly y: Uint8Array;
    };

/** A key as a TPM describes it. RSA keys have the exponent 65537. */
export interface PublicArea {
  /** The whole TPMT_PUBLIC, which the name is a digest of. */
  readonly raw: Uint8Array;
  readonly nameAlg: TpmHash;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  readonly authPolicy: Uint8Array;
  /** AES in CFB mode, of a key that others are kept under; absent for others. */
  readonly symmetricBits?: 128 | 192 | 256;
  /** Absent when the one who signs chooses. */
  readonly scheme?: TpmScheme;
  readonly key: TpmKey;
}

/** What is put together to a public area, or to a template for one. */
export type PublicAreaParts = Omit<PublicArea, "raw">;

export function encodePublicArea(parts: PublicAreaParts): Uint8Array {
  const { nameAlg, attributes, authPolicy, symmetricBits, scheme, key } = parts;
  const symmetric =
    symmetricBits === undefined
      ? u16(ALG.null)
      : concatBytes([u16(ALG.aes), u16(symmetricBits), u16(ALG.cfb)]);
  const signing =
    scheme === undefined
      ? u16(ALG.null)
      : concatBytes([u16(ALG[scheme.kind]), u16(ALG[scheme.hash])]);
  const own =
    key.type === "rsa"
      ? [u16(key.bits), u32(0), sized(key.modulus)]
      : [u16(CURVE_IDS[key.curve]), u16(ALG.null), sized(key.x), sized(key.y)];
  return concatBytes([
    u16(ALG[key.type]),
    u16(ALG[nameAlg]),
    u32(attributes),
    sized(authPolicy),
    symmetric,
    signing,
    ...own,
  ]);
}

/**
 * Reads exactly one TPMT_PUBLIC: RSA of 2048 to 4096 bits, or a curve of NIST's from P-256 on.
 * @param what begins messages: `tpm_devid attestation key`
 * @throws invalid
 */
export function parsePublicArea(raw: Uint8Array, what: string): PublicArea {
  const reader = new TpmReader(raw, what);
  const type = reader.u16();
  if (type !== ALG.rsa && type !== ALG.ecc) throw reader.malformed("is neither rsa nor ecc");
  const nameAlg = readHash(reader);
  const attributes = reader.u32();
  const authPolicy = reader.sized(MAX_DIGEST_BYTES);
  const symmetricBits = readSymmetric(reader);
  const scheme = readScheme(reader, type);
  const key = type === ALG.rsa ? readRsa(reader) : readEcc(reader);
  reader.end();
  return {
    raw,
    nameAlg,
    attributes,
    authPolicy,
    ...(symmetricBits === undefined ? {} : { symmetricBits }),
    ...(scheme === undefined ? {} : { scheme }),
    key,
  };
}

/** As a file or a response has it, TPM2B_PUBLIC, or without the length as SPIRE's provisioning writes it. @throws invalid */
export function parsePublicFile(bytes: Uint8Array, what: string): PublicArea {
  return parsePublicArea(withoutLength(bytes), what);
}

/** The content of a TPM2B that is the whole of `bytes`, or `bytes` where they do not begin with their own length. */
export function withoutLength(bytes: Uint8Array): Uint8Array {
  const [high = 0, low = 0] = bytes;
  return bytes.length >= 2 && (high << 8) + low === bytes.length - 2 ? bytes.slice(2) : bytes;
}

/** TPM2B_NAME's content: the hash's number and the digest of the public area (Part 1 §16). */
export function nameOf({ nameAlg, raw }: Pick<PublicArea, "nameAlg" | "raw">): Uint8Array {
  return concatBytes([u16(ALG[nameAlg]), createHash(nameAlg).update(raw).digest()]);
}

/** @throws invalid when the numbers are no key, a point off its curve for example */
export function keyObjectOf({ key }: Pick<PublicArea, "key">): KeyObject {
  const jwk =
    key.type === "rsa"
      ? { kty: "RSA", n: toBase64Url(key.modulus), e: "AQAB" }
      : { kty: "EC", crv: key.curve, x: toBase64Url(key.x), y: toBase64Url(key.y) };
  try {
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch (cause) {
    throw fail("invalid", "tpm key is not a valid key of its type", { cause });
  }
}

/** DER SubjectPublicKeyInfo. @throws invalid */
export function spkiOf(area: Pick<PublicArea, "key">): Uint8Array {
  return new Uint8Array(keyObjectOf(area).export({ format: "der", type: "spki" }));
}

/** Of `ATTRIBUTE`: true when all of them are set. */
export function hasAttributes(
  { attributes }: Pick<PublicArea, "attributes">,
  ...names: readonly (keyof typeof ATTRIBUTE)[]
): boolean {
  return names.every((name) => (attributes & ATTRIBUTE[name]) !== 0);
}

/** Bytes of one coordinate. */
export function coordinateBytes(curve: TpmCurve): number {
  return COORDINATES[curve];
}

function readSymmetric(reader: TpmReader): 128 | 192 | 256 | undefined {
  const algorithm = reader.u16();
  if (algorithm === ALG.null) return undefined;
  const bits = reader.u16();
  const isKnown = bits === 128 || bits === 192 || bits === 256;
  if (algorithm !== ALG.aes || reader.u16() !== ALG.cfb || !isKnown) {
    throw reader.malformed("has a symmetric cipher other than aes in cfb mode");
  }
  return bits;
}

function readScheme(reader: TpmReader, type: number): TpmScheme | undefined {
  const number = reader.u16();
  if (number === ALG.null) return undefined;
  const kinds = type === ALG.rsa ? (["rsassa", "rsapss"] as const) : (["ecdsa"] as const);
  const kind = kinds.find((name) => ALG[name] === number);
  if (kind === undefined) throw reader.malformed("has a scheme other than rsassa, rsapss or ecdsa");
  return { kind, hash: readHash(reader) };
}

function readRsa(reader: TpmReader): TpmKey {
  const bits = reader.u16();
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS || bits % 8 !== 0) {
    throw reader.malformed(`is rsa of other than ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits`);
  }
  const exponent = reader.u32();
  // Zero stands for the default (Part 2 §12.2.3.5).
  if (exponent !== 0 && exponent !== 65_537) throw reader.malformed("has another exponent");
  const modulus = reader.sized(MAX_RSA_BITS / 8);
  if (modulus.length !== bits / 8 || ((modulus[0] ?? 0) & 0x80) === 0) {
    throw reader.malformed("has a modulus of another length");
  }
  return { type: "rsa", bits, modulus };
}

function readEcc(reader: TpmReader): TpmKey {
  const number = reader.u16();
  const curve = CURVES.find((name) => CURVE_IDS[name] === number);
  if (curve === undefined) throw reader.malformed("has a curve other than p-256, p-384 and p-521");
  if (reader.u16() !== ALG.null) throw reader.malformed("has a key derivation scheme");
  const x = readCoordinate(reader, curve);
  const y = readCoordinate(reader, curve);
  return { type: "ecc", curve, x, y };
}

/** With leading zeros, which some TPMs leave out. */
function readCoordinate(reader: TpmReader, curve: TpmCurve): Uint8Array {
  const whole = new Uint8Array(COORDINATES[curve]);
  const number = reader.sized(whole.length);
  whole.set(number, whole.length - number.length);
  return whole;
}

const CURVES = ["P-256", "P-384", "P-521"] as const;
/** TPM_ECC_CURVE (Part 2 §6.4). */
const CURVE_IDS: Readonly<Record<TpmCurve, number>> = {
  "P-256": 0x0003,
  "P-384": 0x0004,
  "P-521": 0x0005,
};
const COORDINATES: Readonly<Record<TpmCurve, number>> = { "P-256": 32, "P-384": 48, "P-521": 66 };
const MAX_DIGEST_BYTES = 64;
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;
