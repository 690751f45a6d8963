import { createHash } from "node:crypto";
import { toHex } from "../../../base/bytes.ts";

/** What a token is stored and named by: SHA-256, lower-case hex. */
export function secretHash(token: string): string {
  return toHex(createHash("sha256").update(token).digest());
}

/** What a key is known by: SHA-256 of its DER SubjectPublicKeyInfo, lower-case hex. */
export function keyHashOf(publicKey: Uint8Array): string {
  return toHex(createHash("sha256").update(publicKey).digest());
}
