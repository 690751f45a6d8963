/**
 * The client's half of the front end `provision`: a key, the one call, the check of what comes back, files in memory,
 * renewal. The room knows neither server nor agent, and how its words are asked for is the command line's business.
 */
import { isIP } from "node:net";
import { fail } from "../base/errors.ts";
import { ipBytes, ipText } from "../x509/ip-address.ts";

/** What an identity is called. */
export interface IdentityNames {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  /** In their one text (RFC 5952). */
  readonly ipAddresses: readonly string[];
}

/**
 * @param commonName also an alternative name where it is one: Go and Node look at nothing else
 * @param sans DNS names and IP addresses
 * @throws invalid
 */
export function identityNames(commonName: string, sans: readonly string[]): IdentityNames {
  if (commonName === "" || commonName.length > MAX_COMMON_NAME) {
    throw fail("invalid", `a common name has 1 to ${MAX_COMMON_NAME} characters`);
  }
  const all = [...(isIP(commonName) > 0 || DNS_NAME.test(commonName) ? [commonName] : []), ...sans];
  const dnsNames = new Set<string>();
  const ipAddresses = new Set<string>();
  for (const name of all) {
    if (isIP(name) > 0) ipAddresses.add(plainIp(name));
    else if (DNS_NAME.test(name)) dnsNames.add(name.toLowerCase());
    else throw fail("invalid", `'${name.slice(0, 64)}' is neither a DNS name nor an IP address`);
  }
  return { commonName, dnsNames: [...dnsNames], ipAddresses: [...ipAddresses] };
}

function plainIp(text: string): string {
  return ipText(ipBytes(text)) ?? text;
}

/** RFC 1034 §3.5 in its everyday form, with underscores, which containers' names have. */
const DNS_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;
/** X.520 ub-common-name. */
const MAX_COMMON_NAME = 64;
