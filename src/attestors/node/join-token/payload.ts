import { createHash } from "node:crypto";
import { fail } from "../../../base/errors.ts";
import { toHex } from "../../../base/bytes.ts";

/** The attestation type, as agent and server name it on the wire. */
export const JOIN_TOKEN_TYPE = "join_token";

/** Lower-case hex of the token's SHA-256: all that is stored of a token, and the last segment of its agent's ID. */
export function joinTokenHash(token: string): string {
  return toHex(createHash("sha256").update(token, "utf8").digest());
}

/** Path of the agent ID that a token admits. It stands in listings and logs, so it never holds the token itself. */
export function joinTokenAgentPath(hash: string): string {
  return `/spire/agent/${JOIN_TOKEN_TYPE}/${hash}`;
}

/**
 * The payload is the token as text.
 * @throws invalid when it cannot be one
 */
export function parseJoinTokenPayload(payload: Uint8Array): string {
  if (payload.length === 0) throw fail("invalid", "join token is missing");
  if (payload.length > MAX_JOIN_TOKEN_LENGTH) {
    throw fail("invalid", `join token is longer than ${MAX_JOIN_TOKEN_LENGTH} bytes`);
  }
  const token = Buffer.from(payload).toString("latin1");
  if (!PRINTABLE.test(token)) {
    throw fail("invalid", "join token holds characters that are not printable ASCII");
  }
  return token;
}

/** Longest token the server takes or makes, bytes. */
export const MAX_JOIN_TOKEN_LENGTH = 255;

const PRINTABLE = /^[\x21-\x7e]+$/;
