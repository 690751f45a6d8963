/** What a listener of the web shows of itself: a certificate in files, or an SVID of the server's own. */
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { WebTls } from "../../config/server/web-tls.ts";
import { CertificateFiles } from "../../http/certificate-files.ts";
import type { TlsIdentity } from "../../base/tls-identity.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import { ServerIdentity, type ServerIdentityOptions } from "../endpoints/server-identity.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { Revocations } from "../revocation/revocations.ts";

export interface WebIdentityParts {
  readonly bundles: Pick<BundleService, "onChange">;
  readonly authorities: ServerIdentityOptions["authorities"];
  readonly issuance: Pick<Issuance, "serverX509">;
  readonly revocations: Pick<Revocations, "isRevoked" | "onChange">;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface WebIdentity {
  readonly current: () => TlsIdentity | undefined;
  /** What is wrong with it. */
  readonly problem: () => string | undefined;
}

/** Undefined for plain HTTP. @throws precondition when files do not do */
export async function webIdentity(
  tls: WebTls,
  parts: WebIdentityParts,
  opened: AsyncDisposableStack,
): Promise<WebIdentity | undefined> {
  if (tls.kind === "none") return undefined;
  if (tls.kind === "files") {
    const files = new CertificateFiles({ ...parts, ...tls });
    return { current: () => files.current(), problem: () => files.problem() };
  }
  const { bundles, revocations } = parts;
  const identity = opened.use(
    await ServerIdentity.create({
      ...parts,
      isRevoked: (authorityId, serial) => revocations.isRevoked(authorityId, serial),
      dnsNames: tls.dnsNames,
    }),
  );
  for (const changing of [bundles, revocations])
    opened.defer(changing.onChange(() => identity.authoritiesChanged()));
  return { current: () => identity.current(), problem: () => identity.problem };
}
