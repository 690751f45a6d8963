/** Names and addresses that certificates are asked for (RFC 8555 §7.1.4, RFC 8738 §3). */
import { isIP, isIPv4 } from "node:net";
import { errorFrom } from "../../../base/errors.ts";
import { checkDnsName } from "../../../spiffe/dns-name.ts";
import type { AcmeIdentifierRecord } from "../../datastore/acme.ts";
import type { AcmeErrorType, PolicyIdentifier } from "./contract.ts";
import { type Subproblem, acmeError, refusedNames } from "./problem.ts";

/** @param value the member `identifiers` of a new order. @returns each once, in the order given. @throws AcmeError */
export function parseIdentifiers(value: unknown): readonly AcmeIdentifierRecord[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw acmeError("malformed", "the order has no list of identifiers");
  }
  if (value.length > MAX_IDENTIFIERS) {
    throw acmeError("malformed", `the order has more than ${MAX_IDENTIFIERS} identifiers`);
  }
  const found: AcmeIdentifierRecord[] = [];
  const refused: Subproblem[] = [];
  for (const each of value as unknown[]) {
    const { type, value: name } = shapeOf(each);
    const refuse = (problem: AcmeErrorType, detail: string): void => {
      const identifier = { type: type.slice(0, MAX_SHOWN), value: name.slice(0, MAX_SHOWN) };
      refused.push({ type: problem, detail, identifier });
    };
    if (type === "dns") {
      const fault = dnsFault(name);
      if (fault === undefined) found.push({ type, value: name.toLowerCase() });
      else refuse("rejectedIdentifier", fault);
    } else if (type === "ip") {
      const address = canonicalIp(name);
      if (address !== undefined) found.push({ type, value: address });
      else refuse("rejectedIdentifier", "the address is not written as RFC 5952 has it");
    } else refuse("unsupportedIdentifier", "only identifiers of type dns and ip are served");
  }
  if (refused.length > 0) throw refusedNames(refused);
  const seen = new Set<string>();
  return found.filter((each) => {
    const key = identifierKey(each);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** An identifier as authorizations and the policy know it: `*.` taken off. */
export function withoutWildcard({ type, value }: AcmeIdentifierRecord): PolicyIdentifier {
  const wildcard = type === "dns" && value.startsWith("*.");
  return { type, value: wildcard ? value.slice(2) : value, wildcard };
}

/** Equal for equal identifiers only. */
export function identifierKey({ type, value }: AcmeIdentifierRecord): string {
  return `${type}:${value}`;
}

/** Equal for the same set of identifiers in any order. */
export function nameSetKey(identifiers: readonly AcmeIdentifierRecord[]): string {
  return identifiers.map(identifierKey).toSorted().join(",");
}

/** The one text form of an address: IPv4 in four parts, IPv6 as RFC 5952 has it. @returns undefined when it is none */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (isIP(text) !== 6 || text.includes("%")) return undefined;
  // The parser of URLs writes RFC 5952's form, but for addresses with an IPv4 part, which are nobody's name.
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  return canonical === text.toLowerCase() ? canonical : undefined;
}

function shapeOf(each: unknown): { readonly type: string; readonly value: string } {
  const { type, value } = (typeof each === "object" && each !== null ? each : {}) as {
    type?: unknown;
    value?: unknown;
  };
  if (typeof type === "string" && typeof value === "string") return { type, value };
  throw acmeError("malformed", "an identifier has no texts type and value");
}

function dnsFault(name: string): string | undefined {
  try {
    checkDnsName(name);
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
  // A last label of digits alone reads as an address (WHATWG URL, ends in a number).
  if (/(^|\.)(\d+|0x[0-9a-f]*)$/i.test(name)) {
    return "dns name ends in a number, as addresses do; order an address with the type ip";
  }
  if (name.startsWith("*.") && !name.slice(2).includes(".")) {
    return "dns name has a wildcard below a single label";
  }
  return undefined;
}

const MAX_IDENTIFIERS = 100;
const MAX_SHOWN = 256;
