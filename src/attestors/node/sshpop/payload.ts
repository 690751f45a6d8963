/** The messages of `sshpop` as both halves of SPIRE's write and read them: JSON with Go's member names. */
import { createHash } from "node:crypto";
import { concatBytes, toBase64 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import { bytesMember, encodeMessage, parseMessage, textMember } from "../json-message.ts";
import type { SshSignature } from "../../../keys/ssh/public-key.ts";

/** The attestation type, as agent and server name it on the wire. */
export const SSHPOP_TYPE = "sshpop";

export interface SshPopAnswer {
  readonly nonce: Uint8Array;
  readonly signature: SshSignature;
}

/** @param certificate in SSH's encoding */
export function encodeCertificate(certificate: Uint8Array): Uint8Array {
  return encodeMessage({ Certificate: toBase64(certificate) });
}

/** @throws invalid */
export function parseCertificateMessage(payload: Uint8Array): Uint8Array {
  const { Certificate: certificate } = parseMessage("sshpop payload", payload);
  return bytesMember("sshpop certificate", certificate);
}

export function encodeChallenge(nonce: Uint8Array): Uint8Array {
  return encodeMessage({ Nonce: toBase64(nonce) });
}

/** @throws invalid */
export function parseChallenge(challenge: Uint8Array): Uint8Array {
  return nonceOf(parseMessage("sshpop challenge", challenge)["Nonce"]);
}

export function encodeAnswer({ nonce, signature: { format, blob } }: SshPopAnswer): Uint8Array {
  return encodeMessage({
    Nonce: toBase64(nonce),
    Signature: { Format: format, Blob: toBase64(blob), Rest: null },
  });
}

/** @throws invalid */
export function parseAnswer(answer: Uint8Array): SshPopAnswer {
  const { Nonce: nonce, Signature: signature } = parseMessage("sshpop answer", answer);
  const { Format: format, Blob: blob, Rest: rest } = (signature ?? {}) as Record<string, unknown>;
  // Left for security keys, which no host has.
  if (rest !== null && rest !== undefined && rest !== "") {
    throw fail("invalid", "sshpop signature has something behind it");
  }
  return {
    nonce: nonceOf(nonce),
    signature: {
      format: textMember("sshpop signature format", format),
      blob: bytesMember("sshpop signature", blob),
    },
  };
}

/** What is signed: the SHA-256 of both nonces, so that neither side has the other sign a text of its own. */
export function signedBytes(serverNonce: Uint8Array, agentNonce: Uint8Array): Uint8Array {
  return createHash("sha256")
    .update(concatBytes([serverNonce, agentNonce]))
    .digest();
}

function nonceOf(value: unknown): Uint8Array {
  const nonce = bytesMember("sshpop nonce", value);
  if (nonce.length === NONCE_BYTES) return nonce;
  throw fail("invalid", `sshpop nonce is not ${NONCE_BYTES} bytes long`);
}

export const NONCE_BYTES = 32;
