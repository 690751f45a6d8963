import { hash } from "node:crypto";
import { DerCursor, TAG, octetsOfBitString, openDer } from "./der.ts";

/**
 * The key identifier of a public key: SHA-1 over the content of its BIT STRING (RFC 5280 §4.2.1.2, method 1).
 * SHA-1 only names the key here; nothing trusts it.
 * @param spki DER SubjectPublicKeyInfo, which is not written to afterwards: the last answer is remembered, since whoever
 * encodes a certificate checks it as well
 * @returns not to be written to
 * @throws invalid when it is none
 */
export function subjectKeyId(spki: Uint8Array): Uint8Array {
  if (last?.spki !== spki) {
    last = { spki, id: new Uint8Array(hash("sha1", keyBitsOf(spki), "buffer")) };
  }
  return last.id;
}

/** The content of the BIT STRING of a SubjectPublicKeyInfo (RFC 5280 §4.1). @throws invalid */
function keyBitsOf(spki: Uint8Array): Uint8Array {
  const cursor: DerCursor = openDer(spki, TAG.sequence, "public key");
  cursor.read(TAG.sequence);
  const bits = octetsOfBitString(cursor.read(TAG.bitString), "public key");
  cursor.end();
  return bits;
}

let last: { readonly spki: Uint8Array; readonly id: Uint8Array } | undefined;
