/** What is to be authorized, checked: who may get which certificate for a token. */
import { isIP } from "node:net";
import { fail } from "../../../base/errors.ts";
import { checkDnsName } from "../../../spiffe/dns-name.ts";
import { ipBytes, ipText } from "../../../x509/ip-address.ts";

/** As it came, from whichever side. */
export interface GrantRequest {
  readonly commonName: string;
  /** Absent: one is made. */
  readonly token?: string;
  /** DNS names and addresses, besides what follows from the common name. */
  readonly names: readonly string[];
  /** Seconds; 0 = the default. */
  readonly lifeSeconds: number;
  /** Seconds; 0 = the default. */
  readonly tokenLifeSeconds: number;
  readonly spiffeId?: string;
  readonly entryId?: string;
}

/** Whoever authorizes. */
export interface Grantor {
  /** For records: `local`, `admin spiffe://...`, `token ci`, `anyone`. */
  readonly label: string;
  /** `*.example.org` = all below; none = any. */
  readonly allowNames: readonly string[];
  /** Of its API token, which has to be there still when the authorization is written; absent: it has none. */
  readonly apiTokenHash?: string;
  /** SPIFFE IDs and entries. */
  readonly allowEntries: boolean;
  /** May have all that it authorizes anyway, an administrator's identity among it. */
  readonly isAdministrator: boolean;
  /** Nobody knows who it is: an authorization of before is no better than the next one. */
  readonly anonymous: boolean;
}

/** May authorize whatever there is. @param label as `Grantor` has it */
export function administrator(label: string): Grantor {
  return {
    label,
    allowNames: [],
    allowEntries: true,
    isAdministrator: true,
    anonymous: false,
  };
}

export interface GrantNames {
  readonly commonName: string;
  /** Lower case, sorted, each once. */
  readonly dnsNames: readonly string[];
  /** In their one text (RFC 5952), sorted, each once. */
  readonly ipAddresses: readonly string[];
}

/**
 * The names of a certificate. One whose common name is a DNS name or an address has that as an alternative name, too:
 * common names alone count for nobody any more (RFC 9525 §2).
 * @throws invalid
 */
export function grantNames(commonName: string, names: readonly string[]): GrantNames {
  if (commonName === "") throw fail("invalid", "cn: is missing; it names who gets the certificate");
  if (commonName.length > MAX_COMMON_NAME || UNPRINTABLE.test(commonName)) {
    throw fail("invalid", `cn: is longer than ${MAX_COMMON_NAME} characters, or has odd ones`);
  }
  if (names.length > MAX_NAMES) throw fail("invalid", `there are more than ${MAX_NAMES} names`);
  const dnsNames = new Set<string>();
  const ipAddresses = new Set<string>();
  if (commonName.length > 64 && !isDnsName(commonName)) {
    throw fail("invalid", "cn: is longer than 64 characters and no dns name");
  }
  if (isIP(commonName) !== 0) ipAddresses.add(addressText(commonName));
  else if (isDnsName(commonName)) dnsNames.add(commonName.toLowerCase());
  for (const name of names) {
    if (isIP(name) === 0) {
      checkDnsName(name);
      dnsNames.add(name.toLowerCase());
    } else {
      ipAddresses.add(addressText(name));
    }
  }
  return {
    commonName,
    dnsNames: [...dnsNames].sort(),
    ipAddresses: [...ipAddresses].sort(),
  };
}

/** @throws denied when the grantor may not authorize one of the names */
export function checkAllowed(
  { commonName, dnsNames, ipAddresses }: GrantNames,
  { allowNames }: Grantor,
): void {
  if (allowNames.length === 0) return;
  for (const name of [commonName.toLowerCase(), ...dnsNames, ...ipAddresses]) {
    if (allowNames.some((allowed) => covers(allowed, name))) continue;
    throw fail("denied", `this caller may not authorize '${name}'`);
  }
}

/** @throws invalid for what no name can be allowed by */
export function checkAllowedName(allowed: string): void {
  if (isIP(allowed) !== 0) return;
  checkDnsName(allowed);
}

/** @throws invalid */
export function checkToken(token: string, { anonymous }: Grantor): void {
  if (token === "") throw fail("invalid", "token is missing; send one of 32 random bytes");
  if (token.length > MAX_TOKEN || UNPRINTABLE.test(token)) {
    throw fail("invalid", `token is longer than ${MAX_TOKEN} characters, or has odd ones`);
  }
  // Scripts of old may use any; whoever lets anyone authorize has chosen so.
  if (anonymous || token.length >= MIN_TOKEN) return;
  throw fail("invalid", `token is shorter than ${MIN_TOKEN} characters; it can be guessed`);
}

function covers(allowed: string, name: string): boolean {
  const lower = allowed.toLowerCase();
  if (lower.startsWith("*."))
    return name.endsWith(lower.slice(1)) && name.length > lower.length - 1;
  return lower === name;
}

function isDnsName(text: string): boolean {
  try {
    checkDnsName(text);
    return true;
  } catch {
    return false; // any other name is one for people
  }
}

function addressText(text: string): string {
  const canonical = ipText(ipBytes(text));
  if (canonical === undefined) throw new TypeError("an address has 4 or 16 bytes");
  return canonical;
}

/** RFC 5280 appendix A.1 has 64; DNS names are longer, and common names of them are met. */
const MAX_COMMON_NAME = 253;
const MAX_NAMES = 64;
const MIN_TOKEN = 16;
const MAX_TOKEN = 256;
/** Control characters, and what looks like nothing or turns text around. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
