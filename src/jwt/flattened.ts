/** Flattened JWS (RFC 7515 §7.2.2) with one protected header and no other, as ACME has it (RFC 8555 §6.2). */
import { fail } from "../base/errors.ts";
import { isObject } from "../base/is-object.ts";
import { type JwtClaims, decodeJwsBytes, decodeJwsObject } from "./jws-parts.ts";
import { hasRepeatedName } from "./repeated-name.ts";

export interface FlattenedJws {
  /** Nothing in it is trusted before the signature is checked. */
  readonly header: JwtClaims;
  /** As it came: base64url, or empty. */
  readonly payload: string;
  /** The bytes that are signed. */
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** Takes the JSON of a request's body apart. @throws invalid */
export function parseFlattenedText(body: Uint8Array): FlattenedJws {
  let text: string;
  let value: unknown;
  try {
    text = UTF8.decode(body);
    value = JSON.parse(text);
  } catch {
    throw fail("invalid", "the body is not json; send a flattened jws");
  }
  const jws = parseFlattened(value);
  if (hasRepeatedName(text)) throw fail("invalid", "the jws has a member twice");
  return jws;
}

/** @param value what a JSON parser made of it. @throws invalid */
export function parseFlattened(value: unknown): FlattenedJws {
  if (!isObject(value)) {
    throw fail("invalid", "the jws is not a json object");
  }
  const { protected: header, payload, signature, ...others } = value;
  // RFC 8555 §6.2: no unprotected header, no general serialization. What else there is has no meaning.
  if ("header" in others || "signatures" in others) {
    throw fail("invalid", "the jws has an unprotected header or several signatures");
  }
  if (
    typeof header !== "string" ||
    typeof payload !== "string" ||
    typeof signature !== "string" ||
    header.length > MAX_HEADER
  ) {
    throw fail("invalid", "the jws has no members protected, payload and signature");
  }
  const members = decodeJwsObject(header, "header");
  // Extensions that have to be understood (RFC 7515 §4.1.11): there are none.
  if (members["crit"] !== undefined) {
    throw fail("invalid", "the jws header names critical extensions, of which none is known here");
  }
  return {
    header: members,
    payload,
    signingInput: Buffer.from(`${header}.${payload}`, "latin1"),
    signature: signature === "" ? new Uint8Array() : decodeJwsBytes(signature, "signature"),
  };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** A JWK with an RSA-8192 key, a nonce and a URL, with room. */
const MAX_HEADER = 16 * 1024;
