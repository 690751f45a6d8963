/** What the front end `provision` stands on: authorizations, signatures, and who may ask for them. */
import type { Clock } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";
import type { ServerConfig } from "../../../config/server/server-config.ts";
import type { Bundle } from "../../../spiffe/bundle.ts";
import type { TrustDomain } from "../../../spiffe/trust-domain.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { TRUST_DOMAIN_SET } from "../../../config/own-sets.ts";
import type { AuthorityRecord, Datastore } from "../../datastore/contract.ts";
import { ApiTokens } from "./api-tokens.ts";
import { Grants } from "./grants.ts";
import { Signing } from "./signing.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import type { Revocations } from "../../revocation/revocations.ts";

export interface ProvisioningParts {
  readonly datastore: Datastore;
  readonly trustDomain: TrustDomain;
  readonly issuance: Pick<Issuance, "frontEndCertificate" | "checkFrontEndCertificate">;
  readonly sets: AuthoritySetsRead;
  readonly ownBundle: () => Bundle;
  readonly revocations: Pick<Revocations, "isRevoked">;
  readonly clock: Clock;
  readonly random: Random;
}

/** By name; throws for one that is not there. */
interface AuthoritySetsRead {
  get(name: string): { records(kind: "x509"): readonly AuthorityRecord[] };
}

export interface Provisioning {
  readonly grants: Grants;
  readonly apiTokens: ApiTokens;
  readonly signing: Signing;
  /** Of what is signed, DER. */
  readonly roots: () => readonly Uint8Array[];
  /** Above the listener's own certificate, DER; none when that is not the server's own. */
  readonly listenerRoots: () => readonly Uint8Array[];
}

/** Undefined when it is not configured. @throws invalid when the set does not sign such certificates */
export async function openProvisioning(
  { frontends }: ServerConfig,
  parts: ProvisioningParts,
): Promise<Provisioning | undefined> {
  const config = frontends?.provision;
  if (config === undefined) return undefined;
  const { datastore, issuance, ownBundle, revocations, clock, random } = parts;
  const { set, profile, lifeSeconds: ttlSeconds } = config;
  // At the start, not at the first request.
  issuance.checkFrontEndCertificate({
    set,
    profile,
    commonName: "provision.example.org",
    dnsNames: ["provision.example.org"],
    ipAddresses: [],
    ttlSeconds,
  });
  const ownRoots = (): readonly Uint8Array[] =>
    ownBundle()
      .x509Authorities.filter(({ tainted }) => !tainted)
      .map(({ der }) => der);
  const roots = (): readonly Uint8Array[] =>
    set === TRUST_DOMAIN_SET ? ownRoots() : rootsOf(parts.sets, set);
  const grants = await Grants.open({ ...parts, config, issuer: issuance });
  const signing = new Signing({
    datastore,
    grants,
    issuer: issuance,
    attempts: config.attempts,
    renewals: config.renewals,
    // SVIDs are the trust domain's own, whoever signs the rest.
    roots: parsedOnce(() => (set === TRUST_DOMAIN_SET ? roots() : [...roots(), ...ownRoots()])),
    isOwn: (authorityId) =>
      [set, TRUST_DOMAIN_SET].some((name) =>
        parts.sets
          .get(name)
          .records("x509")
          .some(({ id, tainted }) => id === authorityId && !tainted),
      ),
    isRevoked: (authorityId, serial) => revocations.isRevoked(authorityId, serial),
    clock,
  });
  return {
    grants,
    signing,
    apiTokens: new ApiTokens({ datastore, clock, random, onDeleted: () => grants.forget() }),
    roots,
    listenerRoots: () => (config.tls.kind === "svid" ? ownRoots() : []),
  };
}

/** What a set's certificates chain to, tainted ones left out. */
function rootsOf(sets: AuthoritySetsRead, name: string): readonly Uint8Array[] {
  const found = new Set<string>();
  for (const { status, tainted, roots } of sets.get(name).records("x509")) {
    const [root] = roots;
    if (status !== "requested" && !tainted && root !== undefined) found.add(root);
  }
  return [...found].map((der) => new Uint8Array(Buffer.from(der, "base64")));
}

/** Parsed again when they change. */
function parsedOnce(roots: () => readonly Uint8Array[]): () => readonly Certificate[] {
  let held: { readonly of: string; readonly parsed: readonly Certificate[] } | undefined;
  return () => {
    const ders = roots();
    const of = ders.map((der) => Buffer.from(der).toString("base64")).join();
    if (held?.of !== of) held = { of, parsed: ders.map(parseCertificate) };
    return held.parsed;
  };
}
