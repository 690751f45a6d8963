import { ecdsaDerFromRaw, ecdsaRawFromDer } from "../keys/ecdsa-signature.ts";
import { keyTypeOfSpki } from "../keys/public-key.ts";
import type { Certificate } from "./certificate.ts";
import { bitString, seq } from "./der.ts";

/**
 * The same certificate with the other of its two signatures: where `(r, s)` fits, `(r, n - s)` does as well (SEC 1
 * §4.1.4), and no key is needed to write it. So a hash of a whole certificate is one of two names for it.
 * @param issuerKey DER SubjectPublicKeyInfo of the key that signed
 * @returns DER; undefined for a signature that has one form only (RSA)
 * @throws invalid when the signature is not as DER has it
 */
export function signatureTwin(
  { raw, tbs, signature }: Pick<Certificate, "raw" | "tbs" | "signature">,
  issuerKey: Uint8Array,
): Uint8Array | undefined {
  const order = ORDERS.get(keyTypeOfSpki(issuerKey) ?? "");
  if (order === undefined) return undefined;
  const size = order.length / 2;
  const twin = ecdsaRawFromDer(signature, size);
  const s = BigInt(`0x${Buffer.from(twin.subarray(size)).toString("hex")}`);
  twin.set(
    Buffer.from((BigInt(`0x${order}`) - s).toString(16).padStart(order.length, "0"), "hex"),
    size,
  );
  // Between what is signed and the signature stands its algorithm.
  const end = raw.length - bitString(signature).length;
  const start = raw.length - seqContentLength(raw) + tbs.length;
  return seq(tbs, raw.subarray(start, end), bitString(ecdsaDerFromRaw(twin)));
}

function seqContentLength(raw: Uint8Array): number {
  const first = raw[1] ?? 0;
  return raw.length - (first < 0x80 ? 2 : 2 + (first & 0x7f));
}

/** Of the curves' groups (SEC 2 §2.4.2, §2.5.1), hex. */
const ORDERS: ReadonlyMap<string, string> = new Map([
  ["ec-p256", "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"],
  [
    "ec-p384",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
  ],
]);
