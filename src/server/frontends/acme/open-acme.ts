/** Opens the front end `acme` with its parts. */
import { parseAddress } from "../../../config/address.ts";
import type { ServerConfig } from "../../../config/server/server-config.ts";
import type { FrontEndParts } from "../front-end-parts.ts";
import { AcmeFrontEnd } from "./acme-front-end.ts";
import type { RevokedCertificate } from "./certificates.ts";
import { ConfiguredNames } from "./policy/configured-names.ts";
import { StoredExternalAccounts } from "./policy/external-accounts.ts";
import { AcmeRateLimits } from "./policy/rate-limits.ts";
import { ChallengeValidator } from "./validation/challenge-validator.ts";
import type { RevocationReason } from "../../../x509/crl.ts";
import { shortLivedRoots } from "./short-lived-roots.ts";
import { webIdentity } from "../web-identity.ts";

export async function openAcme(
  config: ServerConfig,
  parts: FrontEndParts,
  opened: AsyncDisposableStack,
): Promise<AcmeFrontEnd | undefined> {
  const acme = config.frontends?.acme;
  if (acme === undefined) return undefined;
  const { clock, random, datastore: store, issuance, readiness, step } = parts;
  const logger = parts.logger.child({ frontend: "acme" });
  return step("acme front end", async () => {
    let settings = acme;
    const policy = new ConfiguredNames({ config: acme.names, store, clock });
    const shortLived = shortLivedRoots(config);
    if (shortLived !== undefined) logger.warn(SHORT_LIVED_ROOTS, shortLived);
    let own = listeners(config, config.federation);
    const limits = new AcmeRateLimits({ limits: acme.limits, store: store.acme, clock });
    const validator = new ChallengeValidator({
      config: acme.validation,
      ownAddresses: () => own,
      clock,
      logger,
    });
    parts.reload.part((next) => {
      const changed = next.frontends?.acme ?? acme;
      const changes = [policy.change(changed.names), validator.change(changed.validation)];
      // The one that moves without a restart; the others stay where they were opened.
      const moved = listeners(config, next.federation);
      return () => {
        for (const change of changes) change();
        limits.setLimits(changed.limits);
        settings = changed;
        own = moved;
      };
    });
    const tls = await webIdentity(acme.tls, { ...parts, logger }, opened);
    const externalAccounts = new StoredExternalAccounts({
      store,
      clock,
      random,
      required: () => settings.names.externalAccountRequired,
    });
    const frontEnd = opened.use(
      await AcmeFrontEnd.open({
        config: acme,
        settings: () => settings,
        store,
        issuance,
        validator,
        policy,
        externalAccounts,
        limits,
        revoke: (certificate, reason) => revoke(parts, certificate, reason),
        trail: parts.trail,
        scope: parts.scope,
        ...(tls === undefined ? {} : { tls: tls.current }),
        clock,
        random,
        logger,
        metrics: parts.metrics,
      }),
    );
    readiness.add({ name: "acme front end", missing: () => tls?.problem() });
    logger.info("acme front end listens", {
      directory: frontEnd.directory,
      ...frontEnd.address,
      set: acme.set,
    });
    return frontEnd;
  });
}

/** Off, it is noted with the certificate alone, and renewal information says so; recorded in any case. */
async function revoke(
  { revocations, trail, scope }: Pick<FrontEndParts, "revocations" | "trail" | "scope">,
  certificate: RevokedCertificate,
  reason: RevocationReason,
): Promise<void> {
  const { origin } = scope;
  if (origin === undefined) throw new TypeError("somebody asks for it");
  await trail.requireWritable();
  if (revocations.enabled) await revocations.revoke([certificate], reason);
  const { spiffeId, ...subject } = certificate;
  const named = spiffeId === "" ? subject : certificate;
  await trail.acted(origin, [{ outcome: "ok", subject: named, reason }]);
}

/** Where this server listens: never a target of validations. */
function listeners(
  { listen, metricsListen, frontends, revocation }: ServerConfig,
  federation: ServerConfig["federation"],
): readonly { host: string; port: number }[] {
  const texts = [listen, metricsListen, revocation?.listen, federation?.bundleEndpoint?.listen];
  const oidc = frontends?.oidc?.listen;
  return [
    ...texts
      .filter((text) => text !== undefined)
      .map((text) => parseAddress(text, "listen", { zeroPort: true })),
    ...(oidc !== undefined && "host" in oidc ? [oidc] : []),
    ...(frontends?.acme === undefined ? [] : [frontends.acme.listen]),
    ...(frontends?.provision === undefined ? [] : [frontends.provision.listen]),
  ];
}

const SHORT_LIVED_ROOTS =
  "ACME clients that know this listener by the trust domain's roots will not know it when they come to renew; set upstreamAuthority or a longer caTtl, or give the listener certificateFile and keyFile";
