/** Request fields, checked: each function takes the field's name and throws `invalid` with that name in the text. */
import type { SelectorMatch as Match, PageRequest } from "../datastore/contract.ts";
import type { SPIFFEID__Output } from "../../rpc/gen/spire/api/types/SPIFFEID.ts";
import type { Selector__Output } from "../../rpc/gen/spire/api/types/Selector.ts";
import type { SelectorMatch__Output } from "../../rpc/gen/spire/api/types/SelectorMatch.ts";
import type { FederatesWithMatch__Output } from "../../rpc/gen/spire/api/types/FederatesWithMatch.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { type Selector, canonicalSelectors, checkSelector } from "../../spiffe/selector.ts";
import { SpiffeId, isAgentPath, isReservedPath } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { MAX_PAGE_SIZE } from "../datastore/contract.ts";

/** Runs `check` and puts the field's name before what it complains about. */
export function inField<T>(name: string, check: () => T): T {
  try {
    return check();
  } catch (thrown) {
    const error = errorFrom(thrown);
    throw fail(error.kind, `${name}: ${error.message}`, { cause: thrown });
  }
}

export function spiffeIdField(name: string, id: SPIFFEID__Output | null): SpiffeId {
  if (id === null) throw fail("invalid", `${name}: SPIFFE ID is missing`);
  return inField(name, () => {
    if (id.trust_domain.includes("/")) {
      throw fail("invalid", "trust domain has to be given by its name alone");
    }
    return SpiffeId.of(TrustDomain.parse(id.trust_domain), id.path);
  });
}

/** An ID of the trust domain with a path. */
export function memberIdField(
  name: string,
  id: SPIFFEID__Output | null,
  trustDomain: TrustDomain,
): SpiffeId {
  const parsed = spiffeIdField(name, id);
  if (!parsed.memberOf(trustDomain)) {
    throw fail(
      "invalid",
      `${name}: '${parsed.toString()}' is not a member of trust domain '${trustDomain.name}'`,
    );
  }
  if (parsed.path === "") throw fail("invalid", `${name}: path is empty`);
  return parsed;
}

/** An ID that an entry may have: not below the reserved `/spire`. */
export function workloadIdField(
  name: string,
  id: SPIFFEID__Output | null,
  trustDomain: TrustDomain,
): SpiffeId {
  const parsed = memberIdField(name, id, trustDomain);
  if (isReservedPath(parsed.path)) {
    throw fail("invalid", `${name}: '${parsed.toString()}' is in the reserved namespace /spire`);
  }
  return parsed;
}

export function agentIdField(
  name: string,
  id: SPIFFEID__Output | null,
  trustDomain: TrustDomain,
): SpiffeId {
  const parsed = memberIdField(name, id, trustDomain);
  if (!isAgentPath(parsed.path)) {
    throw fail(
      "invalid",
      `${name}: '${parsed.toString()}' is not in the agent namespace /spire/agent`,
    );
  }
  return parsed;
}

/** A trust domain by its name or its ID. */
export function trustDomainField(name: string, text: string): string {
  return inField(name, () => TrustDomain.parse(text).name);
}

export function selectorsField(
  name: string,
  selectors: readonly Selector__Output[],
): readonly Selector[] {
  atMost(name, selectors.length, MAX_SELECTORS);
  return canonicalSelectors(
    selectors.map(({ type, value }, index) =>
      inField(`${name}[${index}]`, () => checkSelector({ type, value })),
    ),
  );
}

export function selectorMatchField(
  name: string,
  { match, selectors }: SelectorMatch__Output,
): { match: Match; selectors: readonly Selector[] } {
  if (selectors.length === 0) throw fail("invalid", `${name}: empty selector set`);
  return { match: matchField(name, match), selectors: selectorsField(name, selectors) };
}

export function federatesWithMatchField(
  name: string,
  { match, trust_domains }: FederatesWithMatch__Output,
): { match: Match; trustDomains: readonly string[] } {
  if (trust_domains.length === 0) throw fail("invalid", `${name}: empty trust domain set`);
  atMost(name, trust_domains.length, MAX_TRUST_DOMAINS);
  const trustDomains = trust_domains.map((text) => trustDomainField(name, text));
  return { match: matchField(name, match), trustDomains: [...new Set(trustDomains)].sort() };
}

/** Page size 0 asks for everything at once; larger pages than the server serves are cut to that size. */
export function pageField(request: {
  readonly page_size: number;
  readonly page_token: string;
}): PageRequest | undefined {
  const { page_size: size, page_token: token } = request;
  if (size < 0) throw fail("invalid", "page_size: is negative");
  if (size === 0) {
    if (token !== "") throw fail("invalid", "page_token: needs a page_size");
    return undefined;
  }
  return {
    size: Math.min(size, MAX_PAGE_SIZE),
    ...(token === "" ? {} : { token: textField("page_token", token, MAX_PAGE_TOKEN_LENGTH) }),
  };
}

/** A 64-bit count of seconds as the wire gives it. */
export function epochField(name: string, text: string): EpochSeconds {
  return integerField(name, text, MAX_EPOCH_SECONDS);
}

export function integerField(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw fail("invalid", `${name}: must be between 0 and ${max}`);
  }
  return value;
}

/** Text without control characters and without what a wrong encoding leaves behind. */
export function textField(name: string, text: string, maxLength: number): string {
  if (text.length > maxLength) {
    throw fail("invalid", `${name}: is longer than ${maxLength} characters`);
  }
  if (UNPRINTABLE.test(text) || !text.isWellFormed()) {
    throw fail("invalid", `${name}: holds control characters or is not UTF-8`);
  }
  return text;
}

export function bytesField(name: string, bytes: Uint8Array, maxLength: number): Uint8Array {
  if (bytes.length === 0) throw fail("invalid", `${name}: is missing`);
  if (bytes.length > maxLength) {
    throw fail("invalid", `${name}: is longer than ${maxLength} bytes`);
  }
  return bytes;
}

/** `2006-01-02 15:04:05 -0700 -07`, the form that SPIRE's command line sends. */
export function expiresBeforeField(name: string, text: string): EpochSeconds {
  const parts = EXPIRES_BEFORE.exec(text);
  const ms = parts === null ? Number.NaN : Date.parse(`${parts[1]}T${parts[2]}${parts[3]}`);
  if (Number.isNaN(ms)) {
    throw fail("invalid", `${name}: must look like '2026-01-02 15:04:05 -0700 -07'`);
  }
  return Math.floor(ms / 1000);
}

export function atMost(name: string, count: number, max: number): void {
  if (count > max) throw fail("invalid", `${name}: has more than ${max} items`);
}

function matchField(name: string, match: string | number): Match {
  switch (match) {
    case "MATCH_EXACT":
      return "exact";
    case "MATCH_SUBSET":
      return "subset";
    case "MATCH_SUPERSET":
      return "superset";
    case "MATCH_ANY":
      return "any";
    default:
      throw fail("invalid", `${name}: match behaviour is unknown`);
  }
}

/** Items of one batch request: what SPIRE's own clients send is far below. */
export const MAX_BATCH = 10_000;
/** Longest CSR, bytes. */
export const MAX_CSR_BYTES = 16 * 1024;

const MAX_SELECTORS = 1000;
const MAX_TRUST_DOMAINS = 1000;
const MAX_PAGE_TOKEN_LENGTH = 4096;
/** The last second of the year 9999, where certificates end (RFC 5280 §4.1.2.5). */
const MAX_EPOCH_SECONDS = 253_402_300_799;
const UNPRINTABLE = /[\u0000-\u001f\u007f\ufffd]/;
const EXPIRES_BEFORE = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d{4})( \S{1,8})?$/;
