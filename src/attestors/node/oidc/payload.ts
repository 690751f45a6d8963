import { fail } from "../../../base/errors.ts";
import { encodeMessage } from "../json-message.ts";
import { MAX_TOKEN_BYTES } from "../../issuer/foreign-token.ts";

/** The attestation type, as agent and server name it on the wire. */
export const OIDC_TYPE = "oidc";

/** JSON `{"token": TEXT}`. */
export function encodeOidcPayload(token: string): Uint8Array {
  return encodeMessage({ token });
}

/** @throws invalid, never with the payload's text */
export function parseOidcPayload(payload: Uint8Array): string {
  if (payload.length > MAX_TOKEN_BYTES + ROOM) throw fail("invalid", "oidc payload is too long");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    // The parser quotes its input, which holds a token.
    throw fail("invalid", "oidc payload is not json");
  }
  const { token } = (value ?? {}) as { token?: unknown };
  if (typeof token !== "string" || token === "") throw fail("invalid", "oidc payload has no token");
  return token;
}

/** For the braces and whatever else the JSON holds. */
const ROOM = 1024;
