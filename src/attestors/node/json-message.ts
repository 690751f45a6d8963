import { fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";

/**
 * A JSON object as SPIRE's attestors exchange it.
 * @param what begins messages: `sshpop payload`
 * @throws invalid when it is longer than 64 KiB or no object, never with its text
 */
export function parseMessage(what: string, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  if (bytes.length > MAX_MESSAGE_BYTES) throw fail("invalid", `${what} is too long`);
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(bytes));
  } catch {
    // The parser quotes its input, which a peer has chosen.
    throw fail("invalid", `${what} is not json`);
  }
  if (!isObject(value)) {
    throw fail("invalid", `${what} is not a json object`);
  }
  return value;
}

export function encodeMessage(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Bytes as Go's JSON has them, base64 with padding; not empty. @throws invalid */
export function bytesMember(what: string, value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : undefined;
  // Node ignores what is not base64; coming back the same proves there was nothing to ignore.
  if (bytes === undefined || bytes.length === 0 || bytes.toString("base64") !== value) {
    throw fail("invalid", `${what} is missing or not base64`);
  }
  return new Uint8Array(bytes);
}

/** A text that is not empty. @throws invalid */
export function textMember(what: string, value: unknown): string {
  if (typeof value !== "string" || value === "") throw fail("invalid", `${what} is missing`);
  return value;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });
const MAX_MESSAGE_BYTES = 64 * 1024;
