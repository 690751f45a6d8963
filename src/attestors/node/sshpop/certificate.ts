/** OpenSSH host certificates (OpenSSH's PROTOCOL.certkeys). */
import { createHash } from "node:crypto";
import { bytesEqual, concatBytes, toBase64Url } from "../../../base/bytes.ts";
import type { EpochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { ecdsaTwin } from "../../../keys/ecdsa-twin.ts";
import {
  CURVES,
  type SshPublicKey,
  type SshSignature,
  checkSshSignature,
  parsePublicKey,
  parseSignature,
  rawEcdsa,
  readKeyFields,
} from "../../../keys/ssh/public-key.ts";
import { SshReader, sshMpint, sshString } from "../../../keys/ssh/wire.ts";

export interface SshCertificate {
  readonly raw: Uint8Array;
  readonly key: SshPublicKey;
  readonly serial: bigint;
  readonly isHost: boolean;
  readonly keyId: string;
  readonly principals: readonly string[];
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly hasCriticalOptions: boolean;
  /** The authority's key as it stands in the certificate. */
  readonly signatureKey: Uint8Array;
  readonly signature: SshSignature;
  /** What the authority signed. */
  readonly signedBytes: Uint8Array;
}

/** Takes a certificate apart; nothing about it is trusted yet. @throws invalid */
export function parseSshCertificate(raw: Uint8Array): SshCertificate {
  const reader = new SshReader(raw, "ssh certificate");
  const type = reader.name();
  if (!type.endsWith(SUFFIX)) throw fail("invalid", "ssh key is not a certificate");
  reader.bytes(); // The authority's nonce.
  const key = readKeyFields(type.slice(0, -SUFFIX.length), reader);
  const serial = reader.uint64();
  const kind = reader.uint32();
  const keyId = reader.text();
  const principals = readTexts(reader.bytes());
  const validAfter = reader.uint64();
  const validBefore = reader.uint64();
  const hasCriticalOptions = reader.bytes().length > 0;
  reader.bytes(); // Extensions: what a user may do, none for hosts.
  reader.bytes(); // Reserved.
  const signatureKey = reader.bytes();
  const signedBytes = raw.subarray(0, reader.position);
  const signature = parseSignature(reader.bytes());
  reader.end();
  return {
    raw,
    key,
    serial,
    isHost: kind === HOST,
    keyId,
    principals,
    validAfter,
    validBefore,
    hasCriticalOptions,
    signatureKey,
    signature,
    signedBytes,
  };
}

/**
 * Whether it is a host's, of now, and signed by one of the authorities.
 * @param authorities public keys in SSH's encoding
 * @throws denied, naming the rule
 */
export async function checkHostCertificate(
  certificate: SshCertificate,
  authorities: readonly Uint8Array[],
  now: EpochSeconds,
): Promise<void> {
  const { isHost, principals, validAfter, validBefore, signatureKey } = certificate;
  if (!isHost) throw denied("is not a host's");
  if (principals.length === 0) throw denied("names no host, so it would be good for all");
  // A critical option is one that must be understood (PROTOCOL.certkeys), and none is defined for hosts.
  if (certificate.hasCriticalOptions) throw denied("has critical options");
  if (BigInt(now) < validAfter) throw denied("is not valid yet");
  if (BigInt(now) >= validBefore) throw denied("has expired");
  if (!authorities.some((authority) => bytesEqual(authority, signatureKey))) {
    throw denied("is of an authority that is not configured");
  }
  const authority = parsePublicKey(signatureKey);
  const { signature, signedBytes } = certificate;
  if (!(await checkSshSignature(authority, signedBytes, signature, { allowSha1: false }))) {
    throw denied("is not signed by its authority, or with SHA-1");
  }
}

/** SPIRE's: SHA-256 of the whole certificate, base64url without padding. */
export function certificateFingerprint({ raw }: Pick<SshCertificate, "raw">): string {
  return toBase64Url(createHash("sha256").update(raw).digest());
}

/** The certificate with the other of its authority's two signatures (`ecdsaTwin`); undefined where there is but one. */
export function certificateTwin({
  signature,
  signedBytes,
}: SshCertificate): Uint8Array | undefined {
  const { format, blob } = signature;
  const half = CURVES.get(format)?.bytes;
  const raw = half === undefined ? undefined : rawEcdsa(blob, half);
  const twin = raw === undefined ? undefined : ecdsaTwin(raw);
  if (twin === undefined) return undefined;
  const halves = [twin.subarray(0, half), twin.subarray(half)].map(sshMpint);
  return concatBytes([
    signedBytes,
    sshString(concatBytes([sshString(format), sshString(concatBytes(halves))])),
  ]);
}

function readTexts(bytes: Uint8Array): string[] {
  const reader = new SshReader(bytes, "ssh certificate");
  const texts: string[] = [];
  while (!reader.isAtEnd) {
    if (texts.length === MAX_PRINCIPALS) {
      throw fail("invalid", `ssh certificate names more than ${MAX_PRINCIPALS} principals`);
    }
    texts.push(reader.text());
  }
  return texts;
}

function denied(rule: string): Error {
  return fail("denied", `ssh certificate ${rule}`);
}

const SUFFIX = "-cert-v01@openssh.com";
const HOST = 2;
/** OpenSSH's own bound. */
const MAX_PRINCIPALS = 256;
