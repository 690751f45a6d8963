/** Every gRPC service of the server, made from its parts. */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Reload } from "../config/reload.ts";
import type { ServerConfig } from "../config/server/server-config.ts";
import { type Logger, LogLevelSwitch } from "../observe/logger.ts";
import type { HealthHandlers } from "../rpc/gen/assay/health/v1/Health.ts";
import { partsMessage } from "../rpc/health-parts.ts";
import { loggerHandlers } from "../rpc/logger-service.ts";
import type { CallContext, Implementation } from "../rpc/service.ts";
import { TrustDomain } from "../spiffe/trust-domain.ts";
import type { AuthoritySets } from "./ca/authority-sets.ts";
import { acmeApi } from "./api/acme.ts";
import { agentHostApi } from "./api/agent-host.ts";
import { agentApi } from "./api/agent.ts";
import { bundleApi } from "./api/bundle.ts";
import { claimsApi } from "./api/claims.ts";
import { debugApi } from "./api/debug.ts";
import { entryAdminApi } from "./api/entry-admin.ts";
import { entryApi } from "./api/entry.ts";
import { federationApi } from "./api/federation.ts";
import { followApi } from "./api/follow.ts";
import { planApi } from "./api/plan.ts";
import { provisionApi } from "./api/provision.ts";
import { registryApi } from "./api/registry.ts";
import { healthApi } from "./api/health.ts";
import { ClusterPods } from "./attestors/cluster-pods.ts";
import type { ConfiguredAttestors } from "./attestors/configured-attestors.ts";
import { Families } from "./entries/family.ts";
import { templateApi } from "./api/template.ts";
import { oneTimeApi } from "./api/one-time.ts";
import { jwtBatchApi } from "./api/jwt-batch.ts";
import { localAuthorityApi } from "./api/local-authority.ts";
import { revocationApi } from "./api/revocation.ts";
import { rotationApi } from "./api/rotation.ts";
import { svidApi } from "./api/svid.ts";
import { tokenApi } from "./api/token.ts";
import { witAuthorityApi, witBundleApi, witSvidApi } from "./api/wit.ts";
import { certificateHandlers } from "./api/certificate-handlers.ts";
import type { Provisioning } from "./frontends/provision/provisioning.ts";
import type { Wit } from "./issuance/open-wit.ts";
import { trustDomainApi } from "./api/trust-domain.ts";
import { AuditLog } from "./audit/audit-log.ts";
import { auditApi } from "./api/audit.ts";
import { authorityListApi } from "./api/authority-list.ts";
import { AuditTrail } from "./audit/audit-trail.ts";
import { CallScope } from "./audit/call-scope.ts";
import { TokenBearers } from "./bearers/token-bearers.ts";
import { BundleService } from "./bundles/bundle-service.ts";
import { OwnBundleAppender } from "./bundles/own-bundle.ts";
import { AuthoritySet } from "./ca/authority-set.ts";
import { KNOWN_SERVICES } from "./endpoints/authorization.ts";
import { Limits } from "./endpoints/limits.ts";
import { ServerIdentity } from "./endpoints/server-identity.ts";
import { AuthorizedEntries } from "./entries/authorized-entries.ts";
import { EntryService } from "./entries/entry-service.ts";
import type { BundleRefreshes } from "./federation/bundle-refreshes.ts";
import { Relationships } from "./federation/relationships.ts";
import { DownstreamIssuance } from "./issuance/downstream.ts";
import { StoredExternalAccounts } from "./frontends/acme/policy/external-accounts.ts";
import { Issuance } from "./issuance/issuance.ts";
import { JoinTokens } from "./nodes/join-tokens.ts";
import { OneTimeTokens } from "./nodes/one-time-tokens.ts";
import { NodeService } from "./nodes/node-service.ts";
import { Positions } from "./push/position.ts";
import { Propagation } from "./push/propagation.ts";
import { PushHub } from "./push/push-hub.ts";
import type { RevocationParts } from "./revocation/open-revocation.ts";
import { RevokeSvids } from "./revocation/revoke-svids.ts";
import type { Datastore } from "./datastore/contract.ts";
import type { Readiness } from "../observe/readiness.ts";

export interface ServerParts {
  readonly config: ServerConfig;
  readonly datastore: Datastore;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logLevel: LogLevelSwitch;
  readonly scope: CallScope;
  readonly trail: AuditTrail;
  readonly auditLog: AuditLog;
  readonly authorities: AuthoritySet;
  readonly sets: AuthoritySets;
  readonly revocation: RevocationParts;
  readonly bundles: BundleService;
  readonly federation: BundleRefreshes;
  readonly nodes: NodeService;
  readonly authorizedEntries: AuthorizedEntries;
  readonly entries: EntryService;
  readonly issuance: Issuance;
  readonly identity: ServerIdentity;
  /** Where WIT-SVIDs are on. */
  readonly wit: Wit | undefined;
  readonly attestors: ConfiguredAttestors;
  readonly limits: Limits;
  /** Where the front end `provision` is configured. */
  readonly provisioning: Provisioning | undefined;
  readonly readiness: Readiness;
  readonly propagation: Propagation;
  readonly hub: PushHub;
  readonly reload: Reload<ServerConfig>;
  /** Whether the caller of an open stream may still have it; throws when not. */
  readonly recheck: (call: CallContext) => Promise<void>;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** Handlers by full service name. A method without a row in `endpoints/authorization.ts` is refused. */
export function serverServices(parts: ServerParts) {
  const { config, datastore, trustDomain, clock, random, logger, logLevel, scope, trail } = parts;
  const { auditLog, authorities, bundles, nodes, authorizedEntries, entries, issuance } = parts;
  const { identity, attestors, limits, readiness, propagation, hub } = parts;
  const { federation, recheck, stopping, wit } = parts;
  const { revocations, crlIssuance } = parts.revocation;
  const shared = { trustDomain, limits, logger, issuance, nodes, clock, stopping };
  const oneTimeTokens = new OneTimeTokens({ datastore, entries: authorizedEntries, clock, random });
  const bearers = new TokenBearers({
    trustDomain,
    issuers: attestors,
    maxTtlSeconds: (alias) => attestors.tokenTtl(alias),
    entries: authorizedEntries,
    datastore,
  });
  return {
    "spire.api.server.agent.v1.Agent": agentApi({
      ...shared,
      attestors,
      joinTokens: new JoinTokens({ datastore, trustDomain, clock, random }),
    }),
    "spire.api.server.bundle.v1.Bundle": withWitKeys(
      bundleApi({
        ...shared,
        bundles,
        authorities,
        ownBundle: new OwnBundleAppender({ trustDomain, datastore, clock }),
      }),
      wit,
    ),
    "spire.api.server.trustdomain.v1.TrustDomain": trustDomainApi({
      logger,
      relationships: new Relationships({ trustDomain, datastore, clock }),
      refreshes: federation,
    }),
    "spire.api.server.entry.v1.Entry": entryApi({
      ...shared,
      entries,
      bundles,
      authorizedEntries,
    }),
    "spire.api.server.debug.v1.Debug": debugApi({
      readers: datastore,
      chain: () => identity.chain,
      ownBundle: () => bundles.own(),
      clock,
    }),
    "spire.api.server.logger.v1.Logger": { ...loggerHandlers(logLevel) },
    "spire.api.server.localauthority.v1.LocalAuthority": {
      ...localAuthorityApi({ authorities }),
      ...(wit && witAuthorityApi(wit.authorities)),
    },
    "spire.api.server.svid.v1.SVID": {
      ...(wit && witSvidApi({ ...shared, authorizedEntries, issuance: wit.issuance })),
      ...svidApi({
        ...shared,
        authorizedEntries,
        downstream: new DownstreamIssuance({
          trustDomain,
          authorities,
          audit: trail,
          clock,
          random,
          ttlSeconds: config.ca.ttlSeconds,
          experimentalKeys: config.experimental?.includes("ml-dsa") === true,
        }),
        ownBundle: () => bundles.own(),
      }),
    },
    "assay.acme.v1.ExternalAccounts": acmeApi({
      accounts: new StoredExternalAccounts({
        store: datastore,
        clock,
        random,
        required: () => false,
      }),
      isOn: config.frontends?.acme !== undefined,
    }),
    "assay.agent.v1.AgentHost": agentHostApi(shared),
    "assay.authority.v1.Authority": authorityListApi({ trustDomain, sets: parts.sets }),
    "assay.audit.v1.Audit": auditApi({ log: auditLog, stopping }),
    "assay.certificate.v1.Certificates": certificateHandlers({
      ...parts,
      bearers,
      oneTimeTokens,
    }),
    "assay.claims.v1.Claims": claimsApi({ ...shared, entries }),
    "assay.entry.v1.Entry": entryAdminApi({ ...shared, entries, bundles }, "assay"),
    "assay.entry.v1.Plan": planApi({ ...shared, entries }),
    "assay.explain.v1.Registry": registryApi({ ...shared, authorizedEntries }),
    "assay.revocation.v1.Revocation": revocationApi({
      revocations,
      revoker: new RevokeSvids({ revocations, issuance: crlIssuance, auditLog, entries, clock }),
      trustDomain,
    }),
    "assay.federation.v1.Federation": federationApi({ refreshes: federation, bundles }),
    "assay.jwt.v1.Tokens": jwtBatchApi({ ...shared, authorizedEntries }),
    "assay.provision.v1.Provision": provisionApi(parts),
    "assay.rotation.v1.Rotation": rotationApi({ ...shared, entries, hub }),
    "assay.sync.v1.Sync": followApi({
      hub,
      positions: new Positions(datastore.changes),
      propagation,
      recheck,
      clock,
      random,
      stopping,
    }),
    "assay.template.v1.Templates": templateApi({
      ...shared,
      entries,
      families: new Families({
        entries: authorizedEntries,
        registry: datastore.entries,
        pods: new ClusterPods((name) => attestors.cluster(name), datastore.nodes),
      }),
    }),
    "assay.token.v1.OneTime": oneTimeApi({
      limits,
      tokens: oneTimeTokens,
    }),
    "assay.token.v1.Token": tokenApi({
      ...shared,
      bearers,
      ownBundle: () => bundles.own(),
      bundleOf: (name) => bundles.find(name),
      scope,
      ttl: () => issuance.ttl,
    }),
    "assay.health.v1.Health": {
      GetParts: async () => partsMessage(await readiness.results(), true),
    } satisfies Implementation<HealthHandlers>,
    "grpc.health.v1.Health": healthApi({
      services: KNOWN_SERVICES,
      isServing: () => readiness.isReady(),
      clock,
      stopping,
    }),
  };
}

function withWitKeys(
  bundle: ReturnType<typeof bundleApi>,
  wit: Wit | undefined,
): ReturnType<typeof bundleApi> {
  return wit === undefined ? bundle : witBundleApi(bundle, wit.authorities);
}
