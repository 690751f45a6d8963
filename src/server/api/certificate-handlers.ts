/** What `frontends.certificates` of a configuration asks for. */
import type { Clock } from "../../base/clock.ts";
import type { Reload } from "../../config/reload.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { certificateApi } from "./certificate.ts";
import type { CallScope } from "../audit/call-scope.ts";
import type { TokenBearers } from "../bearers/token-bearers.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import type { ConfiguredAttestors } from "../attestors/configured-attestors.ts";
import type { AuthorityRecord, Datastore } from "../datastore/contract.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import { CertificateFrontEnd } from "../frontends/certificates/certificate-front-end.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { OneTimeTokens } from "../nodes/one-time-tokens.ts";
import { RenewableCertificates } from "../nodes/renewable-certificates.ts";
import type { Revocations } from "../revocation/revocations.ts";

interface Parts {
  readonly config: ServerConfig;
  readonly trustDomain: TrustDomain;
  readonly issuance: Issuance;
  readonly attestors: Pick<ConfiguredAttestors, "cluster">;
  readonly bearers: TokenBearers;
  readonly oneTimeTokens: OneTimeTokens;
  readonly revocation: { readonly revocations: Pick<Revocations, "isRevoked"> };
  readonly authorizedEntries: AuthorizedEntries;
  readonly datastore: Datastore;
  readonly bundles: Pick<BundleService, "own">;
  readonly limits: Limits;
  readonly scope: CallScope;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reload: Reload<ServerConfig>;
  readonly stopping: AbortSignal;
}

/** The handlers of `assay.certificate.v1.Certificates`, which refuse while the section is missing. */
export function certificateHandlers(parts: Parts): ReturnType<typeof certificateApi> {
  const { attestors, authorizedEntries, datastore, bundles, clock } = parts;
  const { revocations } = parts.revocation;
  const renewable = new RenewableCertificates({
    datastore,
    isRevoked: (authorityId, serial) => revocations.isRevoked(authorityId, serial),
    clock,
  });
  const made = ({ frontends }: ServerConfig): CertificateFrontEnd | undefined =>
    frontends?.certificates &&
    new CertificateFrontEnd({
      ...parts,
      config: frontends.certificates,
      clusterOf: (name) => attestors.cluster(name),
      entries: authorizedEntries,
      registry: datastore.entries,
      renewable,
    });
  let frontEnd = made(parts.config);
  parts.reload.part((next) => () => {
    frontEnd = made(next);
  });
  const own = (): Uint8Array[] => bundles.own().x509Authorities.map(({ der }) => der);
  return certificateApi({
    ...parts,
    frontEnd: () => frontEnd,
    async rootsOf({ root, set }) {
      if (set === TRUST_DOMAIN_SET) return { roots: own(), serverRoots: [] };
      const roots = rootsOfSet(await datastore.authorities.list(set), root);
      return { roots, serverRoots: own() };
    },
  });
}

/** Those of before and to come, too: the certificate is renewed by the next authority, and others have older ones. */
function rootsOfSet(records: readonly AuthorityRecord[], root: Uint8Array): Uint8Array[] {
  const texts = records
    .filter(({ kind, tainted }) => kind === "x509" && !tainted)
    .flatMap(({ roots }) => roots);
  const own = Buffer.from(root).toString("base64");
  return [...new Set([own, ...texts])].map((text) => Buffer.from(text, "base64"));
}
