/** Host keys as sshd has them: OpenSSH's own format (PROTOCOL.key, version 1) or PEM, without a passphrase. */
import { type KeyObject, createPrivateKey, sign } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import { CURVES, type SshSignature, readKeyFields } from "./public-key.ts";
import { SshReader, sshMpint } from "./wire.ts";

export interface SshPrivateKey {
  readonly type: string;
  readonly key: KeyObject;
}

/** @throws invalid, without the key's text */
export function parseSshPrivateKey(text: string): SshPrivateKey {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END/.exec(text)?.[1];
  try {
    if (body !== undefined) return readOpenSsh(Buffer.from(body, "base64"));
    const key = createPrivateKey(text);
    return { type: typeOf(key), key };
  } catch {
    // What a parser says of a private key stays out of logs.
    throw fail("invalid", "host key cannot be read; it is an SSH key without a passphrase");
  }
}

/** RSA keys sign with SHA-256, ECDSA with the hash of the curve. */
export function signSsh({ type, key }: SshPrivateKey, data: Uint8Array): Promise<SshSignature> {
  const curve = CURVES.get(type);
  const hash = type === "ssh-ed25519" ? null : (curve?.hash ?? "sha256");
  return new Promise((resolve, reject) => {
    sign(hash, data, { key, dsaEncoding: "ieee-p1363" }, (error, raw) => {
      if (error !== null) {
        reject(fail("internal", "signing failed", { cause: error }));
        return;
      }
      const blob =
        curve === undefined
          ? new Uint8Array(raw)
          : concatBytes([
              sshMpint(raw.subarray(0, curve.bytes)),
              sshMpint(raw.subarray(curve.bytes)),
            ]);
      resolve({ format: type === "ssh-rsa" ? "rsa-sha2-256" : type, blob });
    });
  });
}

function readOpenSsh(bytes: Uint8Array): SshPrivateKey {
  const outer = new SshReader(bytes, "host key");
  if (!Buffer.from(outer.take(MAGIC.length)).equals(MAGIC)) throw fail("invalid", "no host key");
  const [cipher, derivation] = [outer.name(), outer.name()];
  outer.bytes();
  if (cipher !== "none" || derivation !== "none" || outer.uint32() !== 1) {
    throw fail("invalid", "host key has a passphrase");
  }
  outer.bytes();
  const reader = new SshReader(outer.bytes(), "host key");
  if (reader.uint32() !== reader.uint32()) throw fail("invalid", "host key is damaged");
  const type = reader.name();
  return { type, key: createPrivateKey({ key: jwkOf(type, reader), format: "jwk" }) };
}

function jwkOf(type: string, reader: SshReader): Record<string, string> {
  if (type === "ssh-rsa") {
    const [n, e, d, qi, p, q] = [0, 1, 2, 3, 4, 5].map(() => reader.unsigned());
    const exponent = numberOf(d);
    return {
      kty: "RSA",
      n: base64Url(n),
      e: base64Url(e),
      d: base64Url(d),
      p: base64Url(p),
      q: base64Url(q),
      qi: base64Url(qi),
      dp: base64Url(bytesOf(exponent % (numberOf(p) - 1n))),
      dq: base64Url(bytesOf(exponent % (numberOf(q) - 1n))),
    };
  }
  const publicJwk = readKeyFields(type, reader).key.export({ format: "jwk" });
  const secret = type === "ssh-ed25519" ? reader.bytes().subarray(0, 32) : reader.unsigned();
  const size = CURVES.get(type)?.bytes ?? 32;
  const padded = concatBytes([new Uint8Array(Math.max(0, size - secret.length)), secret]);
  return { ...(publicJwk as Record<string, string>), d: base64Url(padded) };
}

function typeOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === "rsa") return "ssh-rsa";
  if (asymmetricKeyType === "ed25519") return "ssh-ed25519";
  const curve = PEM_CURVES.get(asymmetricKeyDetails?.namedCurve ?? "");
  if (curve === undefined) throw fail("invalid", "host key type is not supported");
  return `ecdsa-sha2-${curve}`;
}

function numberOf(bytes: Uint8Array | undefined): bigint {
  return BigInt(`0x0${Buffer.from(bytes ?? []).toString("hex")}`);
}

function bytesOf(number: bigint): Uint8Array {
  const hex = number.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

function base64Url(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("base64url");
}

const MAGIC = Buffer.from("openssh-key-v1\0", "latin1");
const PEM_CURVES: ReadonlyMap<string, string> = new Map([
  ["prime256v1", "nistp256"],
  ["secp384r1", "nistp384"],
  ["secp521r1", "nistp521"],
]);
