/** `frontends.certificates` of a server's file, completed and checked. */
import { errorFrom, fail } from "../../base/errors.ts";
import { Networks } from "../../base/networks.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import type { CERTIFICATES_SECTION } from "../sections/certificates-section.ts";
import { allOf } from "../settings/problems.ts";
import type { ValueOf } from "../settings/shape.ts";
import { TRUST_DOMAIN_SET } from "../own-sets.ts";
import { type KnownSigning, knownSet, signedProfile } from "./front-end-signing.ts";

type Given = ValueOf<typeof CERTIFICATES_SECTION>;

export interface CertificatesConfig {
  /** `trust-domain`, or the name of another authority set. */
  readonly set: string;
  readonly profile: string;
  /** Seconds; 0: the entry's, or the profile's. */
  readonly ttlSeconds: number;
  /** By path of the SPIFFE ID, `/` for all; what is below a path has its addresses. */
  readonly networks: ReadonlyMap<string, Networks>;
  readonly clusters: ReadonlyMap<string, PodClusterConfig>;
}

export type PodClusterConfig =
  NonNullable<Given["clusters"]> extends ReadonlyMap<string, infer Of> ? Of : never;

/** What the rest of the file has. */
interface Known extends KnownSigning {
  /** `nodeAttestors.k8sPsat.clusters`. */
  readonly clusters: ReadonlyMap<string, { readonly audiences: readonly string[] }>;
}

/** @throws ConfigError, naming the keys */
export function certificatesFrontEnd(given: Given, known: Known): CertificatesConfig {
  return allOf<CertificatesConfig>({
    set: () => knownSet(given.set, known, WHERE),
    profile: () => profileOf(given, known),
    ttlSeconds: () => given.ttl ?? 0,
    networks: () => networksOf(given),
    clusters: () => clustersOf(given, known.clusters),
  });
}

function profileOf({ set, profile }: Given, known: Known): string {
  const name = profile ?? (set === TRUST_DOMAIN_SET ? "spiffe" : "server-90d");
  return signedProfile(name, set, known, `${WHERE}.profile`);
}

function networksOf({ networks = new Map() }: Given): CertificatesConfig["networks"] {
  return new Map(
    [...networks].map(([path, texts]) => {
      try {
        return [path, Networks.parse(texts)] as const;
      } catch (cause) {
        throw fail("invalid", `${WHERE}.networks.${path}: ${errorFrom(cause).message}`, { cause });
      }
    }),
  );
}

function clustersOf(
  { clusters = new Map() }: Given,
  known: Known["clusters"],
): CertificatesConfig["clusters"] {
  for (const [name, { audiences, clusterDomain }] of clusters) {
    const where = `${WHERE}.clusters.${name}`;
    const agents = known.get(name);
    if (agents === undefined) {
      throw fail(
        "invalid",
        `${where}: nodeAttestors.k8sPsat.clusters has no ${name}; name it there`,
      );
    }
    const shared = audiences.find((audience) => agents.audiences.includes(audience));
    if (shared !== undefined) {
      throw fail(
        "invalid",
        `${where}.audiences: tokens for ${shared} attest agents; name an audience that they do not have`,
      );
    }
    try {
      checkDnsName(clusterDomain);
    } catch (cause) {
      throw fail("invalid", `${where}.clusterDomain: ${errorFrom(cause).message}`, { cause });
    }
  }
  return clusters;
}

const WHERE = "frontends.certificates";
