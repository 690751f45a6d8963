/** Profiles of certificates that front ends hand out, as data; issuance makes them hold. */
import type { KeyType } from "../keys/contract.ts";

export interface CertificateProfile {
  /** Life where none is asked for, seconds; 0 = that of X.509-SVIDs. */
  readonly ttlSeconds: number;
  /** The longest that may be asked for, seconds; 0 = as long as the authorities can sign. */
  readonly maxTtlSeconds: number;
  /** Which end of a TLS connection the holder may be. */
  readonly usages: readonly ("server" | "client")[];
  /** `web`: at least one name, each with a dot, and no common name but one of them. */
  readonly names: "web" | "any";
  readonly wildcards: boolean;
  readonly ipAddresses: boolean;
  /** Beside the names; under the trust domain's own authorities only. */
  readonly spiffeId: "none" | "allowed" | "required";
  /** DNS names and addresses together. */
  readonly maxNames: number;
  /** Absent: every type that is not experimental. */
  readonly keyTypes?: readonly KeyType[];
}

const DAY = 24 * 3600;

const SERVER = {
  usages: ["server"],
  names: "web",
  wildcards: true,
  ipAddresses: true,
  spiffeId: "none",
  maxNames: 100,
} as const;

/** Those that are always there, unless the file has one of the same name. */
export const BUILT_IN_PROFILES: ReadonlyMap<string, CertificateProfile> = new Map<
  string,
  CertificateProfile
>([
  ["server-90d", { ...SERVER, ttlSeconds: 90 * DAY, maxTtlSeconds: 90 * DAY }],
  ["server-7d", { ...SERVER, ttlSeconds: 7 * DAY, maxTtlSeconds: 7 * DAY }],
  [
    "peer",
    {
      ...SERVER,
      usages: ["server", "client"],
      names: "any",
      wildcards: false,
      spiffeId: "allowed",
      ttlSeconds: DAY,
      maxTtlSeconds: 90 * DAY,
    },
  ],
  [
    "spiffe",
    {
      ...SERVER,
      usages: ["server", "client"],
      names: "any",
      wildcards: true,
      spiffeId: "required",
      ttlSeconds: 0,
      maxTtlSeconds: 0,
    },
  ],
]);
