/** What a certificate that a front end hands out may say: a request checked against its profile. */
import { domainToUnicode } from "node:url";
import type { EpochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { CertificateProfile } from "../../config/certificate-profiles.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import { type SpiffeId, isReservedPath } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { ipBytes, ipText } from "../../x509/ip-address.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import { isTtl } from "./x509-profile.ts";

/** What is asked for, the key left out. */
export interface FrontEndRequest {
  /** Authority set; `trust-domain` = the domain's own. */
  readonly set: string;
  readonly profile: string;
  readonly commonName?: string;
  readonly dnsNames: readonly string[];
  /** Textual. */
  readonly ipAddresses: readonly string[];
  readonly spiffeId?: SpiffeId;
  /** 0 = the profile's. */
  readonly ttlSeconds: number;
  /** Whatever is asked for, or the profile has, it lives no longer; absent = no such bound. */
  readonly mostSeconds?: number;
  /** When the certificate begins, and its life; absent: now, and a little earlier for clocks that differ. */
  readonly notBefore?: EpochSeconds;
}

/** What was decided to be signed. */
export interface DecidedNames {
  readonly commonName: string | undefined;
  /** As they were given: names are compared without case, and written as asked. */
  readonly dnsNames: readonly string[];
  /** In their one text. */
  readonly ipAddresses: readonly string[];
  readonly uri: string | undefined;
}

/** @throws invalid, naming the rule */
export function checkNames(
  request: FrontEndRequest,
  profile: CertificateProfile,
  trustDomain: TrustDomain,
): DecidedNames {
  const { commonName, dnsNames } = request;
  const refuse = (rule: string): never => {
    throw fail("invalid", `certificate profile '${request.profile}': ${rule}`);
  };
  const count = dnsNames.length + request.ipAddresses.length;
  if (count > profile.maxNames) refuse(`at most ${profile.maxNames} names in one certificate`);
  const ipAddresses = request.ipAddresses.map(canonicalIp);
  if (ipAddresses.length > 0 && !profile.ipAddresses) refuse("no addresses as names");
  for (const name of dnsNames) {
    checkDnsName(name);
    if (isAddressLike(name)) refuse("an address is no dns name");
    if (!hasOnlyKnownLabels(name))
      refuse("a dns name has two hyphens there only in punycode that can be read");
    if (name.startsWith("*") && !profile.wildcards) refuse("no wildcards");
    if (name.startsWith("*") && name.split(".").length < 3)
      refuse("no wildcard over a whole domain of the top");
    if (profile.names === "web" && !name.includes(".")) refuse("each dns name has a dot");
  }
  const all = [...dnsNames.map((name) => name.toLowerCase()), ...ipAddresses];
  if (new Set(all).size < all.length) refuse("no name twice");
  if (profile.names === "web" && all.length === 0) refuse("at least one name");
  const uri = uriOf(request, profile, trustDomain, refuse);
  if (all.length === 0 && uri === undefined && commonName === undefined) {
    refuse("a name, an address or a SPIFFE ID");
  }
  checkCommonName(commonName, all, profile, refuse);
  return { commonName, dnsNames, ipAddresses, uri };

  function canonicalIp(text: string): string {
    return ipText(ipBytes(text)) ?? "";
  }
}

/** @returns seconds. @throws invalid */
export function lifeOf(
  request: FrontEndRequest,
  profile: CertificateProfile,
  svidTtlSeconds: number,
): number {
  const { profile: name, ttlSeconds: asked, mostSeconds: most = Infinity, set } = request;
  if (!isTtl(asked)) throw fail("invalid", "ttl is not a number of seconds from 0 to 2^31-1");
  const ttlSeconds = Math.min(asked, most);
  const { ttlSeconds: own, maxTtlSeconds } = profile;
  if (maxTtlSeconds !== 0 && ttlSeconds > maxTtlSeconds) {
    throw fail(
      "invalid",
      `life: ${ttlSeconds} s is longer than the ${maxTtlSeconds} s of certificate profile '${name}'; ask for less`,
    );
  }
  if (ttlSeconds !== 0) return ttlSeconds;
  if (own === 0) return Math.min(svidTtlSeconds, most);
  // The domain's own authorities live for a day, where nothing else is set.
  return Math.min(own, most, set === TRUST_DOMAIN_SET ? svidTtlSeconds : own);
}

function uriOf(
  { spiffeId, set }: FrontEndRequest,
  { spiffeId: rule }: CertificateProfile,
  trustDomain: TrustDomain,
  refuse: (rule: string) => never,
): string | undefined {
  if (spiffeId === undefined) {
    if (rule === "required") refuse("a SPIFFE ID is needed: bind what is asked for to an entry");
    return undefined;
  }
  if (rule === "none") refuse("no SPIFFE ID");
  if (set !== TRUST_DOMAIN_SET) {
    throw fail(
      "invalid",
      `authority set '${set}' signs no SPIFFE IDs; those are the trust domain's own authorities'`,
    );
  }
  if (!spiffeId.memberOf(trustDomain) || spiffeId.path === "" || isReservedPath(spiffeId.path)) {
    throw fail(
      "invalid",
      `SPIFFE ID ${spiffeId.toString()} is no workload of trust domain ${trustDomain.name}`,
    );
  }
  return spiffeId.toString();
}

function checkCommonName(
  commonName: string | undefined,
  names: readonly string[],
  profile: CertificateProfile,
  refuse: (rule: string) => never,
): void {
  if (commonName === undefined) return;
  if (commonName === "" || commonName.length > MAX_COMMON_NAME) {
    refuse(`a common name has 1 to ${MAX_COMMON_NAME} characters; leave a longer one out`);
  }
  if (!PRINTABLE.test(commonName)) refuse("a common name is printable text");
  if (profile.names === "web" && !names.includes(canonicalName(commonName))) {
    refuse("the common name is one of the names");
  }
}

function canonicalName(name: string): string {
  return isAddressLike(name) ? (ipText(ipBytes(name)) ?? name) : name.toLowerCase();
}

/** RFC 5890 §2.3.1: labels with hyphens at their third and fourth place are reserved, but for `xn--`. */
function hasOnlyKnownLabels(name: string): boolean {
  const reserved = name.split(".").filter((label) => label.startsWith("--", 2));
  if (reserved.length === 0) return true;
  const isPunycode = reserved.every((label) => label.slice(0, 2).toLowerCase() === "xn");
  // What cannot be decoded stays as it is.
  return isPunycode && !/(?:^|\.)xn--/i.test(domainToUnicode(name));
}

/** Four numbers with dots are an address to some verifiers and a name to others. */
function isAddressLike(name: string): boolean {
  return name.includes(":") || /(?:^|\.)\d+$/.test(name);
}

/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_COMMON_NAME = 64;
const PRINTABLE = /^[^\p{C}\p{Zl}\p{Zp}]+$/u;
