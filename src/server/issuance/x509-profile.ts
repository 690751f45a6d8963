/**
 * What an X.509-SVID of each sort may say: profile (data) -> validated profile (object) -> request checked against it.
 */
import { fail } from "../../base/errors.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import { type SpiffeId, isAgentPath, isReservedPath } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { checkName } from "../../x509/names.ts";

export const X509_PROFILE_NAMES = ["workload", "agent", "server", "mint"] as const;

export type X509ProfileName = (typeof X509_PROFILE_NAMES)[number];

/** Which paths of the trust domain: any but the reserved ones, agents' only, the server's only. */
export type PathRule = "workload" | "agent" | "server";

export interface X509ProfileData {
  readonly name: X509ProfileName;
  readonly paths: PathRule;
  /** Life when the request names none, seconds. */
  readonly ttlSeconds: number;
  readonly maxDnsNames: number;
  /** Whether the request may bring its own subject. */
  readonly ownSubject: boolean;
}

export interface X509Request {
  readonly spiffeId: SpiffeId;
  readonly dnsNames: readonly string[];
  /** Seconds; 0 = the profile's. */
  readonly ttlSeconds: number;
  /** DER Name. */
  readonly subject?: Uint8Array;
}

/** A profile that has been checked; it checks requests in turn. */
export class X509Profile {
  readonly name: X509ProfileName;
  readonly #data: X509ProfileData;
  readonly #trustDomain: TrustDomain;

  /** @throws invalid when the data contradicts itself or the standard */
  constructor(data: X509ProfileData, trustDomain: TrustDomain) {
    const { name, ttlSeconds, maxDnsNames } = data;
    if (!isTtl(ttlSeconds) || ttlSeconds < 1) {
      throw fail("invalid", `ttl of profile '${name}' is not a number of seconds from 1 to 2^31-1`);
    }
    if (!Number.isInteger(maxDnsNames) || maxDnsNames < 0 || maxDnsNames > MAX_DNS_NAMES) {
      throw fail("invalid", `profile '${name}' may allow 0 to ${MAX_DNS_NAMES} dns names`);
    }
    this.name = name;
    this.#data = data;
    this.#trustDomain = trustDomain;
  }

  /** @returns the life to sign for, seconds. @throws invalid, naming the field */
  check(request: X509Request): number {
    const { spiffeId, dnsNames, ttlSeconds, subject } = request;
    const { maxDnsNames, ownSubject } = this.#data;
    this.#checkId(spiffeId);
    if (dnsNames.length > maxDnsNames) {
      throw fail("invalid", `profile '${this.name}' allows at most ${maxDnsNames} dns names`);
    }
    for (const name of dnsNames) checkDnsName(name);
    if (subject !== undefined) {
      if (!ownSubject) throw fail("invalid", `profile '${this.name}' allows no subject of its own`);
      if (subject.length > MAX_SUBJECT) {
        throw fail("invalid", `subject is longer than ${MAX_SUBJECT} bytes`);
      }
      checkName(subject);
    }
    if (!isTtl(ttlSeconds))
      throw fail("invalid", "ttl is not a number of seconds from 0 to 2^31-1");
    return ttlSeconds === 0 ? this.#data.ttlSeconds : ttlSeconds;
  }

  #checkId(spiffeId: SpiffeId): void {
    if (!spiffeId.memberOf(this.#trustDomain)) {
      throw fail(
        "invalid",
        `SPIFFE ID ${spiffeId.toString()} is not of trust domain ${this.#trustDomain.name}`,
      );
    }
    const { path } = spiffeId;
    if (path === "") throw fail("invalid", `SPIFFE ID ${spiffeId.toString()} has no path`);
    if (!PATH_RULES[this.#data.paths](path)) {
      throw fail(
        "invalid",
        `SPIFFE ID ${spiffeId.toString()} is not one that profile '${this.name}' signs`,
      );
    }
  }
}

export interface ProfileTtls {
  readonly x509SvidSeconds: number;
  readonly jwtSvidSeconds: number;
  readonly agentSvidSeconds: number;
}

/** The built-in profiles with the server's lives filled in. */
export function x509Profiles(
  ttl: ProfileTtls,
  trustDomain: TrustDomain,
): Readonly<Record<X509ProfileName, X509Profile>> {
  const profile = (data: X509ProfileData): X509Profile => new X509Profile(data, trustDomain);
  const { x509SvidSeconds, agentSvidSeconds } = ttl;
  return {
    workload: profile({ ...WORKLOAD, name: "workload", ttlSeconds: x509SvidSeconds }),
    mint: profile({ ...WORKLOAD, name: "mint", ttlSeconds: x509SvidSeconds, ownSubject: true }),
    agent: profile({ ...BARE, name: "agent", paths: "agent", ttlSeconds: agentSvidSeconds }),
    server: profile({
      ...BARE,
      name: "server",
      paths: "server",
      ttlSeconds: x509SvidSeconds,
      maxDnsNames: MAX_SERVER_DNS_NAMES,
    }),
  };
}

/** The longest SVID that profiles of these lives sign: what authorities must outlive. */
export function longestTtlSeconds(ttl: ProfileTtls): {
  readonly x509: number;
  readonly jwt: number;
} {
  return { x509: Math.max(ttl.x509SvidSeconds, ttl.agentSvidSeconds), jwt: ttl.jwtSvidSeconds };
}

/** True for what a 32-bit field of the API can carry and a certificate can hold. */
export function isTtl(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= 0x7fffffff;
}

const MAX_DNS_NAMES = 256;
const MAX_SUBJECT = 1024;
/** Of a listener of the server's that others than agents come to. */
const MAX_SERVER_DNS_NAMES = 16;

const WORKLOAD = { paths: "workload", maxDnsNames: MAX_DNS_NAMES, ownSubject: false } as const;
const BARE = { maxDnsNames: 0, ownSubject: false } as const;

const PATH_RULES: Readonly<Record<PathRule, (path: string) => boolean>> = {
  workload: (path) => !isReservedPath(path),
  agent: isAgentPath,
  server: (path) => path === "/spire/server",
};
