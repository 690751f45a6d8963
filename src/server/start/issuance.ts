/** What is signed: certificates and tokens for others, and the server's own SVID. */
import type { BundleService } from "../bundles/bundle-service.ts";
import { ServerIdentity } from "../endpoints/server-identity.ts";
import { Issuance } from "../issuance/issuance.ts";
import { type Wit, openWit } from "../issuance/open-wit.ts";
import { crlUrlOf } from "../revocation/open-revocation.ts";
import type { ServerAuthorities } from "./authorities.ts";
import type { Start } from "./start.ts";
import type { ServerState } from "./state.ts";

export interface ServerIssuance {
  readonly issuance: Issuance;
  /** Where WIT-SVIDs are on. */
  readonly wit: Wit | undefined;
  readonly identity: ServerIdentity;
}

export async function openIssuance(
  start: Start,
  { datastore, keyManager, trail }: ServerState,
  { authorities, sets, revocation }: ServerAuthorities,
  bundles: BundleService,
): Promise<ServerIssuance> {
  const { config, trustDomain, clock, random, logger, metrics, started, step } = start;
  const { revocations } = revocation;
  const crlUrl = crlUrlOf(config.revocation);
  const issuance = await step(
    "issuance",
    () =>
      new Issuance({
        trustDomain,
        authorities,
        clock,
        random,
        ttl: config.ttl,
        audit: trail,
        jwtIssuer: config.ca.jwtIssuer,
        ...(crlUrl === undefined ? {} : { crlUrl }),
        experimentalKeys: config.experimental?.includes("ml-dsa") === true,
        sets: sets.signing,
        ...(config.certificateProfiles && { certificateProfiles: config.certificateProfiles }),
      }),
  );
  const wit = await step("WIT authorities", () =>
    openWit({
      config,
      issuance,
      datastore,
      keyManager,
      trustDomain,
      clock,
      random,
      logger,
      audit: trail,
    }),
  );
  if (wit !== undefined) started.use(wit);
  const identity = started.use(
    await step("server SVID", () =>
      ServerIdentity.create({
        issuance,
        authorities,
        isRevoked: (authorityId, serial) => revocations.isRevoked(authorityId, serial),
        clock,
        random,
        logger,
        metrics,
      }),
    ),
  );
  started.defer(revocations.onChange(() => identity.authoritiesChanged()));
  started.defer(
    bundles.onChange((changed) => {
      if (changed !== trustDomain.name) return;
      identity.authoritiesChanged();
      revocations.wake();
    }),
  );
  return { issuance, wit, identity };
}
