/**
 * Who holds a certificate, where TLS does not show it: over plain HTTP, or behind a proxy that ends TLS. The certificate's
 * key signs what is asked for and which certificate is to be followed by it. The latter changes with each renewal, so
 * that what was overheard counts for nothing later: no clock, and nothing to remember.
 */
import { createHash } from "node:crypto";
import { toBase64, toHex } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Signer } from "../keys/contract.ts";
import { keyTypeOfSpki } from "../keys/public-key.ts";
import { signingHash } from "../keys/software-signer.ts";
import { verifySignature } from "../keys/verify-signature.ts";

/** Of a request: `FOLLOWS SIGNATURE`, the first in lower hex, the second in base64. */
export const PROOF_HEADER = "renewal-proof";
/** Of the answer to a proof that follows another certificate than the newest one: the newest one's digest, lower hex. */
export const NEWEST_HEADER = "renewal-newest";

export interface RenewalProof {
  /** SHA-256 of the DER of the certificate that the next one is to follow, lower hex. */
  readonly follows: string;
  /** As a `Signer` makes them. */
  readonly signature: Uint8Array;
}

/** By which certificates and requests are named in a proof: SHA-256, lower hex. */
export function digestOf(der: Uint8Array): string {
  return toHex(createHash("sha256").update(der).digest());
}

/**
 * @param signer the key of the certificate that is shown
 * @param csr DER
 * @param follows see `RenewalProof`
 * @returns the header's value
 */
export async function proveRenewal(
  signer: Signer,
  csr: Uint8Array,
  follows: string,
): Promise<string> {
  return `${follows} ${toBase64(await signer.sign(signedText(csr, follows)))}`;
}

/** @throws unauthenticated */
export function parseRenewalProof(header: string): RenewalProof {
  const [, follows, signature] =
    /^([0-9a-f]{64}) ([A-Za-z0-9+/]{1,8192}={0,2})$/.exec(header) ?? [];
  if (follows === undefined || signature === undefined) {
    throw fail(
      "unauthenticated",
      `${PROOF_HEADER} is not the SHA-256 of the newest certificate in hexadecimal, a space and a signature in base64`,
    );
  }
  return { follows, signature: Buffer.from(signature, "base64") };
}

/**
 * @param publicKey of the certificate that is shown, DER SubjectPublicKeyInfo
 * @param csr DER
 */
export async function isRenewalProof(
  { follows, signature }: RenewalProof,
  publicKey: Uint8Array,
  csr: Uint8Array,
): Promise<boolean> {
  const keyType = keyTypeOfSpki(publicKey);
  if (keyType === undefined) return false;
  const data = signedText(csr, follows);
  return verifySignature({ publicKey, data, signature, hash: signingHash(keyType) });
}

/** The same for a call over TLS to a server that is known, which nobody overhears. @param held DER, as `csr` */
export function proveHeld(signer: Signer, csr: Uint8Array, held: Uint8Array): Promise<Uint8Array> {
  return signer.sign(heldText(csr, held));
}

/** @param publicKey of `held` */
export async function isHeldProof(
  signature: Uint8Array,
  publicKey: Uint8Array,
  { csr, held }: { readonly csr: Uint8Array; readonly held: Uint8Array },
): Promise<boolean> {
  const keyType = keyTypeOfSpki(publicKey);
  if (keyType === undefined) return false;
  const data = heldText(csr, held);
  return verifySignature({ publicKey, data, signature, hash: signingHash(keyType) });
}

function heldText(csr: Uint8Array, held: Uint8Array): Uint8Array {
  return Buffer.from(`assay certificate renewal 1\n${digestOf(csr)}\n${digestOf(held)}\n`);
}

function signedText(csr: Uint8Array, follows: string): Uint8Array {
  return Buffer.from(`assay provision renewal 1\n${digestOf(csr)}\n${follows}\n`);
}
