/** The parts of a compact JWS (RFC 7515 §3.1), decoded strictly: each has one spelling. */
import { fail } from "../base/errors.ts";
import { isObject } from "../base/is-object.ts";
import { hasRepeatedName } from "./repeated-name.ts";

export type JwtClaims = Readonly<Record<string, unknown>>;

/**
 * A part that is base64url of a JSON object, nested at most 16 levels deep.
 * @param what names the part in messages
 * @throws invalid, never with the part's text
 */
export function decodeJwsObject(part: string, what: string): JwtClaims {
  let text: string;
  let value: unknown;
  try {
    text = UTF8.decode(decodeJwsBytes(part, what));
    value = JSON.parse(text);
  } catch {
    // The parser quotes its input, which must not be repeated.
    throw fail("invalid", `token ${what} is not base64url of a json object`);
  }
  if (!isObject(value)) {
    throw fail("invalid", `token ${what} is not a json object`);
  }
  if (isDeeperThan(value, MAX_DEPTH)) throw fail("invalid", `token ${what} is nested too deeply`);
  if (hasRepeatedName(text)) throw fail("invalid", `token ${what} has a member twice`);
  return value;
}

/** Canonical base64url without padding: every token has one spelling. @throws invalid */
export function decodeJwsBytes(part: string, what: string): Uint8Array {
  const bytes = Buffer.from(part, "base64url");
  if (part === "" || bytes.toString("base64url") !== part) {
    throw fail("invalid", `token ${what} is not base64url`);
  }
  return bytes;
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((member) => isDeeperThan(member, depth - 1));
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const MAX_DEPTH = 16;
