import { ecdsaDerFromRaw, ecdsaRawFromDer } from "../keys/ecdsa-signature.ts";
import { ecdsaTwin } from "../keys/ecdsa-twin.ts";
import { keyTypeOfSpki } from "../keys/public-key.ts";
import type { Certificate } from "./certificate.ts";
import { bitString, seq } from "./der.ts";

/**
 * The same certificate with the other of its two signatures (`ecdsaTwin`).
 * @param issuerKey DER SubjectPublicKeyInfo of the key that signed
 * @returns DER; undefined for a signature that has one form only (RSA)
 * @throws invalid when the signature is not as DER has it
 */
export function signatureTwin(
  { raw, tbs, signature }: Pick<Certificate, "raw" | "tbs" | "signature">,
  issuerKey: Uint8Array,
): Uint8Array | undefined {
  const size = HALVES.get(keyTypeOfSpki(issuerKey) ?? "");
  const twin = size === undefined ? undefined : ecdsaTwin(ecdsaRawFromDer(signature, size));
  if (twin === undefined) return undefined;
  // Between what is signed and the signature stands its algorithm.
  const start = headerLength(raw) + tbs.length;
  const end = raw.length - bitString(signature).length;
  return seq(tbs, raw.subarray(start, end), bitString(ecdsaDerFromRaw(twin)));
}

function headerLength(raw: Uint8Array): number {
  const first = raw[1] ?? 0;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}

/** Bytes of one half. */
const HALVES: ReadonlyMap<string, number> = new Map([
  ["ec-p256", 32],
  ["ec-p384", 48],
]);
