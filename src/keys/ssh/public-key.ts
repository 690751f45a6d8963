/** SSH public keys and signatures (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8332, RFC 8709), checked by node. */
import { type KeyObject, createPublicKey, verify } from "node:crypto";
import { fail } from "../../base/errors.ts";
import { SshReader } from "./wire.ts";

export interface SshPublicKey {
  /** `ssh-rsa`, `ecdsa-sha2-nistp256` and so on, never a certificate's. */
  readonly type: string;
  readonly key: KeyObject;
}

export interface SshSignature {
  /** `rsa-sha2-256`, `ecdsa-sha2-nistp256`, `ssh-ed25519`; `ssh-rsa` means SHA-1. */
  readonly format: string;
  readonly blob: Uint8Array;
}

/** @throws invalid unless it is RSA of 2048 to 8192 bits, ECDSA on a NIST curve or Ed25519 */
export function parsePublicKey(blob: Uint8Array): SshPublicKey {
  const reader = new SshReader(blob, "ssh public key");
  const key = readKeyFields(reader.name(), reader);
  reader.end();
  return key;
}

/** The fields of a key behind its type, in a key as in a certificate. @throws invalid */
export function readKeyFields(type: string, reader: SshReader): SshPublicKey {
  if (type === "ssh-rsa") {
    const e = reader.unsigned();
    const n = reader.unsigned();
    const bits = n.length * 8 - Math.clz32(n[0] ?? 0) + 24;
    // Unchecked, a stranger's exponent and modulus decide how long a signature takes to check.
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS || e.length > MAX_EXPONENT_BYTES) {
      throw fail(
        "invalid",
        `ssh rsa key is not of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits with a small exponent`,
      );
    }
    return imported(type, { kty: "RSA", n: base64Url(n), e: base64Url(e) });
  }
  if (type === "ssh-ed25519") {
    return imported(type, { kty: "OKP", crv: "Ed25519", x: base64Url(reader.bytes()) });
  }
  const curve = CURVES.get(type);
  if (curve === undefined) {
    throw fail("invalid", "ssh key type is not supported; use rsa, ecdsa or ed25519");
  }
  const name = reader.name();
  const point = reader.bytes();
  // SEC 1 §2.3.3, uncompressed: the only form that RFC 5656 §3.1 demands.
  if (name !== curve.name || point.length !== 1 + 2 * curve.bytes || point[0] !== 4) {
    throw fail("invalid", "ssh ecdsa key is not an uncompressed point of its curve");
  }
  return imported(type, {
    kty: "EC",
    crv: curve.crv,
    x: base64Url(point.subarray(1, 1 + curve.bytes)),
    y: base64Url(point.subarray(1 + curve.bytes)),
  });
}

/** A signature as it stands in a certificate. @throws invalid */
export function parseSignature(blob: Uint8Array): SshSignature {
  const reader = new SshReader(blob, "ssh signature");
  const signature = { format: reader.name(), blob: reader.bytes() };
  reader.end();
  return signature;
}

/**
 * Whether the signature fits; on a thread of the pool.
 * @param allowSha1 also `ssh-rsa` signatures, where the signer cannot choose what is signed
 */
export function checkSshSignature(
  { type, key }: SshPublicKey,
  data: Uint8Array,
  { format, blob }: SshSignature,
  { allowSha1 }: { readonly allowSha1: boolean },
): Promise<boolean> {
  const scheme = schemeOf(type, format, allowSha1);
  if (scheme === undefined) return Promise.resolve(false);
  const signature = scheme.half === undefined ? blob : rawEcdsa(blob, scheme.half);
  if (signature === undefined) return Promise.resolve(false);
  const input = { key, dsaEncoding: "ieee-p1363" as const };
  return new Promise((resolve) => {
    verify(scheme.hash, data, input, signature, (error, fits) => resolve(error === null && fits));
  });
}

function schemeOf(
  type: string,
  format: string,
  allowSha1: boolean,
): { readonly hash: string | null; readonly half?: number } | undefined {
  if (type === "ssh-rsa") {
    if (format === "rsa-sha2-256") return { hash: "sha256" };
    if (format === "rsa-sha2-512") return { hash: "sha512" };
    return format === "ssh-rsa" && allowSha1 ? { hash: "sha1" } : undefined;
  }
  if (format !== type) return undefined;
  if (type === "ssh-ed25519") return { hash: null };
  const curve = CURVES.get(type);
  return curve === undefined ? undefined : { hash: curve.hash, half: curve.bytes };
}

/** `r || s` from two mpints (RFC 5656 §3.1.2); undefined when it is not that. @param half bytes of one */
export function rawEcdsa(blob: Uint8Array, half: number): Uint8Array | undefined {
  try {
    const reader = new SshReader(blob, "ssh signature");
    const raw = new Uint8Array(2 * half);
    for (const end of [half, 2 * half]) {
      const number = reader.unsigned();
      if (number.length > half) return undefined;
      raw.set(number, end - number.length);
    }
    reader.end();
    return raw;
  } catch {
    // Malformed is as good as wrong.
    return undefined;
  }
}

function imported(type: string, jwk: Record<string, string>): SshPublicKey {
  try {
    return { type, key: createPublicKey({ key: jwk, format: "jwk" }) };
  } catch (cause) {
    throw fail("invalid", "ssh public key is not a valid key of its type", { cause });
  }
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** By key type. */
export const CURVES: ReadonlyMap<
  string,
  { readonly name: string; readonly crv: string; readonly bytes: number; readonly hash: string }
> = new Map([
  ["ecdsa-sha2-nistp256", { name: "nistp256", crv: "P-256", bytes: 32, hash: "sha256" }],
  ["ecdsa-sha2-nistp384", { name: "nistp384", crv: "P-384", bytes: 48, hash: "sha384" }],
  ["ecdsa-sha2-nistp521", { name: "nistp521", crv: "P-521", bytes: 66, hash: "sha512" }],
]);
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
const MAX_EXPONENT_BYTES = 4;
