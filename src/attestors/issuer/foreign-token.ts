/**
 * Tokens of other issuers than ourselves: compact JWS with any header members (RFC 7515 §4), signed with a public-key
 * algorithm. Nothing here is trusted before its signature was checked.
 */
import { fail } from "../../base/errors.ts";
import { type JwtClaims, decodeJwsBytes, decodeJwsObject } from "../../jwt/jws-parts.ts";

/** Algorithms with a public key (RFC 7518 §3.1, RFC 8037 §3.1). `none` and HMAC are not among them, for good. */
export const TOKEN_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

export interface ForeignToken {
  readonly algorithm: TokenAlgorithm;
  /** Absent: the token does not name its key. */
  readonly keyId?: string;
  readonly claims: JwtClaims;
  /** The bytes that are signed. */
  readonly signingInput: Uint8Array;
  /** ECDSA: `r || s`. */
  readonly signature: Uint8Array;
}

/** Takes a token apart. @throws invalid, never with the token's text */
export function parseForeignToken(token: string): ForeignToken {
  if (token.length > MAX_TOKEN_BYTES) {
    throw fail("invalid", `token is longer than ${MAX_TOKEN_BYTES} bytes`);
  }
  const parts = token.split(".", 4);
  const [headerPart = "", claimsPart = "", signaturePart = ""] = parts;
  if (parts.length !== 3) throw fail("invalid", "token is not a jws in compact form");
  const { alg, kid, crit } = decodeJwsObject(headerPart, "header") as {
    alg?: unknown;
    kid?: unknown;
    crit?: unknown;
  };
  // RFC 7515 §4.1.11: who does not understand what is critical must refuse it, and we understand none.
  if (crit !== undefined) throw fail("invalid", "token header has critical extensions");
  const algorithm = TOKEN_ALGORITHMS.find((name) => name === alg);
  if (algorithm === undefined) {
    throw fail("invalid", "token algorithm is not one with a public key");
  }
  if (kid !== undefined && (typeof kid !== "string" || kid === "" || kid.length > MAX_KEY_ID)) {
    throw fail("invalid", `token key id is not a text of 1 to ${MAX_KEY_ID} characters`);
  }
  return {
    algorithm,
    ...(kid === undefined ? {} : { keyId: kid }),
    claims: decodeJwsObject(claimsPart, "claims"),
    signingInput: Buffer.from(`${headerPart}.${claimsPart}`, "latin1"),
    signature: decodeJwsBytes(signaturePart, "signature"),
  };
}

/** Longest token that is looked at. */
export const MAX_TOKEN_BYTES = 64 * 1024;
const MAX_KEY_ID = 1024;
