/** Compact JWS as JWT-SVIDs use it (RFC 7515 §3.1, JWT-SVID §2..3): one signature, three header members, bounded. */
import { fail } from "../base/errors.ts";
import { toBase64Url } from "../base/bytes.ts";
import { type KeyType, type Signer, type TokenKeyType, isExperimental } from "../keys/contract.ts";
import { ecdsaDerFromRaw, ecdsaRawFromDer } from "../keys/ecdsa-signature.ts";
import { type Hash, keyTypeOfSpki } from "../keys/public-key.ts";
import { verifySignature } from "../keys/verify-signature.ts";
import { type JwtClaims, decodeJwsBytes, decodeJwsObject } from "./jws-parts.ts";

/** What tokens are signed with (JWT-SVID §2.1). */
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** All members that a header may have (JWT-SVID §2). */
export interface JwtHeader {
  readonly alg: JwtAlgorithm;
  readonly kid?: string;
  readonly typ?: "JWT" | "JOSE";
}

export type { JwtClaims } from "./jws-parts.ts";

/** A token that was read, and believed by nobody yet. */
export interface CompactJwt {
  readonly header: JwtHeader;
  readonly claims: JwtClaims;
  /** The bytes that are signed. */
  readonly signingInput: Uint8Array;
  /** ECDSA: `r || s`. */
  readonly signature: Uint8Array;
}

/** A token to be signed. */
export interface SignCompactParams {
  /** Header `kid`. */
  readonly keyId: string;
  /** Numbers must be integers: clients refuse `1.0e9` and fractions. */
  readonly claims: JwtClaims;
  readonly signer: Signer;
  /** Header `typ`; `JWT` when absent. */
  readonly type?: TokenType;
}

/** Of a JWT-SVID (JWT-SVID §2.3) and of a WIT-SVID (WIT-SVID §2.2). */
export type TokenType = "JWT" | "wit+jwt";

/** Signs claims: header `alg`, `kid`, `typ`; ES256, ES384 or RS256 by the key's type. */
export async function signCompact({
  keyId,
  claims,
  signer,
  type = "JWT",
}: SignCompactParams): Promise<string> {
  const header = { alg: signingAlgorithm(signer.keyType), kid: keyId, typ: type };
  const input = `${encodeJson(header)}.${encodeJson(claims)}`;
  const signature = await signer.sign(Buffer.from(input, "latin1"));
  const half = ecdsaHalf(signer.keyType);
  const raw = half === undefined ? signature : ecdsaRawFromDer(signature, half);
  return `${input}.${toBase64Url(raw)}`;
}

/** Takes a token apart; nothing about it is trusted yet. @throws invalid, never with the token's text */
export function parseCompact(token: string): CompactJwt {
  if (token.length > MAX_TOKEN_LENGTH) {
    throw fail("invalid", `token is longer than ${MAX_TOKEN_LENGTH} characters`);
  }
  const parts = token.split(".", 4);
  const [headerPart = "", claimsPart = "", signaturePart = ""] = parts;
  if (parts.length !== 3) throw fail("invalid", "token is not a jws in compact form");
  const header = checkHeader(decodeJwsObject(headerPart, "header"));
  const claims = decodeJwsObject(claimsPart, "claims");
  const signature = decodeJwsBytes(signaturePart, "signature");
  return {
    header,
    claims,
    signingInput: Buffer.from(`${headerPart}.${claimsPart}`, "latin1"),
    signature,
  };
}

/**
 * Checks the signature; the algorithm must be one that this very key type signs with (RFC 8725 §3.1).
 * @param spki DER SubjectPublicKeyInfo
 */
export async function verifyCompact(parsed: CompactJwt, spki: Uint8Array): Promise<boolean> {
  const keyType = keyTypeOfSpki(spki);
  if (keyType === undefined || isExperimental(keyType)) return false;
  const { alg } = parsed.header;
  const hash = HASHES[alg.slice(2)];
  if (hash === undefined) return false;
  const common = { publicKey: spki, data: parsed.signingInput, hash };
  const half = ecdsaHalf(keyType);
  if (half !== undefined) {
    // RFC 7518 §3.4 ties curve and hash together.
    if (alg !== signingAlgorithm(keyType) || parsed.signature.length !== half * 2) return false;
    return verifySignature({ ...common, signature: ecdsaDerFromRaw(parsed.signature) });
  }
  if (alg.startsWith("ES")) return false;
  return verifySignature({ ...common, signature: parsed.signature, pss: alg.startsWith("PS") });
}

function checkHeader(header: JwtClaims): JwtHeader {
  for (const member of Object.keys(header)) {
    if (member !== "alg" && member !== "kid" && member !== "typ") {
      throw fail("invalid", "token header has members other than alg, kid and typ");
    }
  }
  const { alg, kid, typ } = header as { alg?: unknown; kid?: unknown; typ?: unknown };
  const known = JWT_ALGORITHMS.find((name) => name === alg);
  if (known === undefined) throw fail("invalid", "token algorithm is not one a jwt-svid may use");
  if (typ !== undefined && typ !== "JWT" && typ !== "JOSE") {
    throw fail("invalid", "token type is neither JWT nor JOSE");
  }
  if (kid !== undefined && (typeof kid !== "string" || kid === "" || kid.length > MAX_KEY_ID)) {
    throw fail("invalid", `token key id is not a text of 1 to ${MAX_KEY_ID} characters`);
  }
  return {
    alg: known,
    ...(kid === undefined ? {} : { kid }),
    ...(typ === undefined ? {} : { typ }),
  };
}

function encodeJson(value: JwtClaims): string {
  checkNumbers(value);
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}

function checkNumbers(value: unknown): void {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(checkNumbers);
  else if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new TypeError("numbers in a token must be integers");
  }
}

/** What a key of this type signs tokens with. */
export function signingAlgorithm(keyType: KeyType): JwtAlgorithm {
  if (!isExperimental(keyType)) return SIGNING_ALGORITHMS[keyType];
  throw fail("unsupported", `keys of type ${keyType} sign no tokens`);
}

function ecdsaHalf(keyType: KeyType): number | undefined {
  return keyType === "ec-p256" ? 32 : keyType === "ec-p384" ? 48 : undefined;
}

/** The only algorithms a JWT-SVID may name (JWT-SVID §2.1). */
const JWT_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "ES256",
  "ES384",
  "ES512",
  "PS256",
  "PS384",
  "PS512",
] as const;

const SIGNING_ALGORITHMS: Readonly<Record<TokenKeyType, JwtAlgorithm>> = {
  "ec-p256": "ES256",
  "ec-p384": "ES384",
  "rsa-2048": "RS256",
  "rsa-3072": "RS256",
  "rsa-4096": "RS256",
};

const HASHES: Readonly<Record<string, Hash>> = {
  "256": "sha256",
  "384": "sha384",
  "512": "sha512",
};

/** Tokens travel in HTTP headers, which end at 8 to 16 KiB in most servers. */
const MAX_TOKEN_LENGTH = 32 * 1024;
const MAX_KEY_ID = 1024;
