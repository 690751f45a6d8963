import { hash } from "node:crypto";

/** What a token is stored and named by: SHA-256, lower-case hex. */
export function secretHash(token: string): string {
  return hash("sha256", token);
}

/** What a key is known by: SHA-256 of its DER SubjectPublicKeyInfo, lower-case hex. */
export function keyHashOf(publicKey: Uint8Array): string {
  return hash("sha256", publicKey);
}
