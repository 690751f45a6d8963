/** The messages of `http_challenge` as both halves of SPIRE's write and read them. */
import { fail } from "../../../base/errors.ts";
import { encodeMessage, parseMessage, textMember } from "../json-message.ts";

/** The attestation type, as agent and server name it on the wire. */
export const HTTP_CHALLENGE_TYPE = "http_challenge";

/** Where an agent will show what the server gives it. */
export interface HttpChallengePlace {
  readonly hostname: string;
  /** Tells several agents of one host apart, in the address alone. */
  readonly agentname: string;
  readonly port: number;
}

export function encodePlace({ hostname, agentname, port }: HttpChallengePlace): Uint8Array {
  return encodeMessage({ hostname, agentname, port });
}

/** @throws invalid unless the host has a DNS name, the agent a plain one, and the port is one */
export function parsePlace(payload: Uint8Array): HttpChallengePlace {
  const fields = parseMessage("http_challenge payload", payload);
  const hostname = textMember("http_challenge hostname", fields["hostname"]);
  const agentname = textMember("http_challenge agentname", fields["agentname"]);
  const { port } = fields;
  // An address has no owner that its name could show, and could be any machine of the server's network.
  if (hostname.length > MAX_HOSTNAME || !HOSTNAME.test(hostname) || NUMBERS.test(hostname)) {
    throw fail("invalid", "http_challenge hostname is not a DNS name in lower case");
  }
  checkAgentName(agentname);
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw fail("invalid", "http_challenge port is not a number from 1 to 65535");
  }
  return { hostname, agentname, port };
}

/** @throws invalid */
export function checkAgentName(agentname: string): void {
  if (AGENT_NAME.test(agentname)) return;
  throw fail(
    "invalid",
    "http_challenge agentname is not 1 to 32 letters, digits and dashes that begin with a letter",
  );
}

export function challengePath(agentname: string): string {
  return `/.well-known/spiffe/nodeattestor/http_challenge/${agentname}/challenge`;
}

export function encodeNonce(nonce: string): Uint8Array {
  return encodeMessage({ nonce });
}

/** @throws invalid */
export function parseNonce(challenge: Uint8Array): string {
  const { nonce } = parseMessage("http_challenge challenge", challenge);
  if (typeof nonce !== "string" || !NONCE.test(nonce)) {
    throw fail("invalid", "http_challenge challenge has no nonce of printable characters");
  }
  return nonce;
}

const HOSTNAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** What a resolver would read as an IPv4 address, in any of its spellings, ends in a number (WHATWG URL, "ends in a number"). */
const NUMBERS = /(^|\.)(\d+|0x[0-9a-f]*)$/;
const MAX_HOSTNAME = 253;
const AGENT_NAME = /^[a-zA-Z][a-zA-Z0-9-]{0,31}$/;
const NONCE = /^[\x21-\x7e]{1,256}$/;
