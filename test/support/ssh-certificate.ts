/** Host certificates by an authority of the tests' own (OpenSSH's PROTOCOL.certkeys). */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { concatBytes } from "../../src/base/bytes.ts";
import { sshString } from "../../src/keys/ssh/wire.ts";

interface CertificateParts {
  readonly type?: string;
  readonly kind?: number;
  readonly principals?: readonly string[];
  readonly after?: bigint;
  readonly before?: bigint;
  readonly critical?: Uint8Array;
  readonly keyFields?: Uint8Array;
  readonly signatureKey?: Uint8Array;
  readonly signature?: Uint8Array;
  readonly tail?: Uint8Array;
  readonly sign?: (body: Uint8Array) => Uint8Array;
}

const authority = generateKeyPairSync("ed25519");
export const authorityBlob = ed25519Blob(authority.publicKey.export({ format: "jwk" }).x ?? "");
export const hostPair = generateKeyPairSync("ed25519");
const hostX = Buffer.from(hostPair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");

export function ed25519Blob(x: string): Uint8Array {
  return concatBytes([sshString("ssh-ed25519"), sshString(Buffer.from(x, "base64url"))]);
}

export function uint(bytes: 4 | 8, value: bigint): Uint8Array {
  const out = Buffer.alloc(bytes);
  if (bytes === 4) out.writeUInt32BE(Number(value));
  else out.writeBigUInt64BE(value);
  return out;
}

/** A host certificate by an authority of this test, right but for what is told. */
export function certificate(parts: CertificateParts = {}): Uint8Array {
  const body = concatBytes([
    sshString(parts.type ?? "ssh-ed25519-cert-v01@openssh.com"),
    sshString(randomBytes(32)),
    parts.keyFields ?? sshString(hostX),
    uint(8, 99n),
    uint(4, BigInt(parts.kind ?? 2)),
    sshString("web-1"),
    sshString(concatBytes((parts.principals ?? ["web-1.prod.example.org"]).map(sshString))),
    uint(8, parts.after ?? 0n),
    uint(8, parts.before ?? 2n ** 64n - 1n),
    sshString(parts.critical ?? ""),
    sshString(""),
    sshString(""),
    sshString(parts.signatureKey ?? authorityBlob),
  ]);
  const signature =
    parts.signature ??
    parts.sign?.(body) ??
    concatBytes([sshString("ssh-ed25519"), sshString(sign(null, body, authority.privateKey))]);
  return concatBytes([body, sshString(signature), parts.tail ?? new Uint8Array()]);
}
