/** Composition root of the server: every part is made here, in order, and taken down in the opposite one. */
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { errorFrom, fail } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { parseAddress } from "../config/address.ts";
import { type ConfigChange, Reload } from "../config/reload.ts";
import type { ServerConfig } from "../config/server/server-config.ts";
import { type Logger, LogLevelSwitch } from "../observe/logger.ts";
import { Metrics } from "../observe/metrics.ts";
import type { CallContext } from "../rpc/service.ts";
import { TrustDomain } from "../spiffe/trust-domain.ts";
import { AuditLog } from "./audit/audit-log.ts";
import { AuditTrail } from "./audit/audit-trail.ts";
import { CallScope } from "./audit/call-scope.ts";
import { auditedGate, auditedServices } from "./endpoints/audited-services.ts";
import { bundlePublishers } from "./bundles/bundle-publishers.ts";
import { BundleService } from "./bundles/bundle-service.ts";
import { AuthoritySet } from "./ca/authority-set.ts";
import { TRUST_DOMAIN_SET } from "../config/own-sets.ts";
import { AUDIT_FOLDER, DATABASE_FILE, openDataFolder } from "./data-folder/data-folder.ts";
import { startFeedPruner } from "./datastore/feed-pruner.ts";
import { openSqliteDatastore } from "./datastore/sqlite/sqlite-datastore.ts";
import { openFrontEnds } from "./frontends/front-ends.ts";
import { openKeyManager } from "./keymanager/open-key-manager.ts";
import { serverServices } from "./services.ts";
import { Gate } from "./endpoints/gate.ts";
import { Limits } from "./endpoints/limits.ts";
import { Listeners } from "./endpoints/listeners.ts";
import { worstLoss } from "../spiffe/lost-authorities.ts";
import { TrustedRoots } from "./endpoints/peer-identity.ts";
import { meteredGate, meteredServices } from "./endpoints/metered-services.ts";
import { observeSets } from "./ca/observe-sets.ts";
import { readServer, serverReadiness } from "./observe-server.ts";
import { ServerIdentity } from "./endpoints/server-identity.ts";
import { federationAdvice } from "./federation/observe-federation.ts";
import { openFederation, reloadFederation } from "./federation/open-federation.ts";
import { AuthorizedEntries } from "./entries/authorized-entries.ts";
import { startEntryPruner } from "./entries/entry-pruner.ts";
import { EntryService } from "./entries/entry-service.ts";
import { Reach } from "./entries/reach.ts";
import { Issuance } from "./issuance/issuance.ts";
import { OFFLINE } from "./upstream/contract.ts";
import { UpstreamWatcher } from "./upstream/watch.ts";
import { openProvisioning } from "./frontends/provision/open-provisioning.ts";
import { openWit } from "./issuance/open-wit.ts";
import { openUpstream } from "./upstream/open-upstream.ts";
import { longestTtlSeconds } from "./issuance/x509-profile.ts";
import { NodeService } from "./nodes/node-service.ts";
import { watchRenewable } from "./nodes/renewable-watch.ts";
import { startTokenPruner } from "./nodes/token-pruner.ts";
import { Propagation } from "./push/propagation.ts";
import { crlUrlOf, openRevocation } from "./revocation/open-revocation.ts";
import { PushHub } from "./push/push-hub.ts";
import { ConfiguredAttestors } from "./attestors/configured-attestors.ts";
import { AuthoritySets } from "./ca/authority-sets.ts";
import { checkFolderOwner } from "./data-folder/folder-owner.ts";

export interface ServerTools {
  readonly logger: Logger;
  /** The level of that logger, where it can be changed. */
  readonly logLevel?: LogLevelSwitch;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends a start that is still under way. */
  readonly signal?: AbortSignal;
  readonly version?: string;
}

export interface RunningServer extends AsyncDisposable {
  readonly tcpAddress: { readonly host: string; readonly port: number };
  /** Path of the admin Unix socket. */
  readonly socket: string;
  /** Of metrics and health over HTTP, if they were asked for. */
  readonly metricsAddress?: { readonly host: string; readonly port: number };
  /** Of the front end `oidc`, if it listens on TCP. */
  readonly oidcAddress?: { readonly host: string; readonly port: number };
  /** Of the front end `provision`, if it was asked for. */
  readonly provisionAddress?: { readonly host: string; readonly port: number };
  /** Of the front end `acme`, if it was asked for. */
  readonly acmeAddress?: { readonly host: string; readonly port: number };
  /** Of revocation lists over HTTP, if they were asked for. */
  readonly crlAddress?: { readonly host: string; readonly port: number };
  /** Of the bundle endpoint, if it was asked for. */
  readonly bundleEndpointAddress?: { readonly host: string; readonly port: number };
  /** The domain's own authorities; what an administrator on this machine may do to them. */
  readonly authorities: AuthoritySet;
  /** All sets, those beside the domain's own too. */
  readonly authoritySets: AuthoritySets;
  /** Takes over what of a new configuration can change now, all of it or, when it throws, nothing. */
  reload(load: () => Promise<ConfigChange<ServerConfig>>): Promise<void>;
}

/**
 * Starts a server and resolves when both its doors are open. When a step fails, everything already started is taken
 * down again and the error names the step.
 */
export async function startServer(
  config: ServerConfig,
  {
    logger,
    logLevel = new LogLevelSwitch(config.logLevel),
    clock,
    random,
    signal,
    version = "",
  }: ServerTools,
): Promise<RunningServer> {
  const step = <T>(name: string, work: () => T | Promise<T>): Promise<T> =>
    runStep(name, work, signal);
  await using started = new AsyncDisposableStack();
  const trustDomain = await step("configuration", () => TrustDomain.parse(config.trustDomain));
  const address = await step("configuration", () =>
    parseAddress(config.listen, "listen", { zeroPort: true }),
  );
  await step("data folder", () => openDataFolder(config.dataDir));
  const datastore = started.use(
    await step("datastore", () =>
      openSqliteDatastore({ path: join(config.dataDir, DATABASE_FILE), clock, logger }),
    ),
  );
  await step("data folder", () => checkFolderOwner(datastore, trustDomain));
  const metrics = new Metrics();
  // Before the first authority is made: a first start that fails here must not bind the folder to a trust domain.
  await step("listeners", () => Listeners.probe({ ...address, socket: config.socket }));
  const auditLog = started.use(
    await step("audit log", () =>
      AuditLog.open({ dir: join(config.dataDir, AUDIT_FOLDER), clock, logger }),
    ),
  );
  const scope = new CallScope();
  const trail = started.use(
    await step("audit log", () =>
      AuditTrail.open({ log: auditLog, scope, clock, random, logger, metrics }),
    ),
  );
  const keyManager = started.use(
    await step("key manager", () => openKeyManager(config, { clock, random })),
  );
  const upstream = await step("upstream authority", () =>
    openUpstream(config.upstreamAuthority, { trustDomain, clock, random }),
  );
  if (upstream !== OFFLINE) started.use(upstream.authority);
  const authorities = started.use(
    await step("authorities", () =>
      AuthoritySet.open({
        name: TRUST_DOMAIN_SET,
        trustDomain,
        datastore,
        keyManager,
        upstream,
        clock,
        random,
        logger,
        audit: trail,
        x509: { keyType: config.ca.keyType, ttlSeconds: config.ca.ttlSeconds },
        jwt: { keyType: config.ca.jwtKeyType, ttlSeconds: config.ca.ttlSeconds },
        longestTtlSeconds: longestTtlSeconds(config.ttl),
        keepsOldKeys: config.revocation !== undefined,
      }),
    ),
  );
  const sets = started.use(
    await step("authority sets", () =>
      AuthoritySets.open(config, {
        own: authorities,
        trustDomain,
        datastore,
        keyManager,
        clock,
        random,
        logger,
        audit: trail,
      }),
    ),
  );
  const revocation = started.use(
    await step("revocation", () =>
      openRevocation({
        config: config.revocation,
        authorities: sets,
        datastore,
        metrics,
        clock,
        random,
        logger,
      }),
    ),
  );
  const { revocations } = revocation;
  const bundles = started.use(
    await step("bundles", () => BundleService.open({ trustDomain, datastore, logger })),
  );
  const nodes = started.use(
    await step("nodes", () => NodeService.open({ datastore, trustDomain, clock, logger })),
  );
  const authorizedEntries = started.use(
    await step("entries", () => AuthorizedEntries.load(datastore, { logger, clock, random })),
  );
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
  started.use(
    await step("bundle publishers", () =>
      bundlePublishers(config.bundlePublishers, { bundles, trustDomain, clock, random, logger }),
    ),
  );
  const federation = started.use(
    await step("federation", () =>
      openFederation(config, { datastore, bundles, clock, random, logger, metrics }),
    ),
  );
  authorities.start();
  sets.start();
  const upstreamWatch = started.use(
    new UpstreamWatcher({ upstream, authorities, clock, random, logger }),
  );
  for (const start of [startEntryPruner, startTokenPruner, startFeedPruner]) {
    started.use(start({ store: datastore, clock, random, logger, metrics }));
  }

  const roots = new TrustedRoots(
    () => bundles.own(),
    () => sets.lost,
  );
  const attestors = started.use(
    await step("node attestors", () =>
      ConfiguredAttestors.open(config, {
        tokens: datastore.tokens,
        trustDomain,
        ownRoots: () => roots.current().sound,
        isLost: (chain) =>
          worstLoss(chain, sets.lost) !== undefined ||
          chain.some(({ authorityKeyId: id = "", serial }) => revocations.isRevoked(id, serial)),
        clock,
        random,
        logger,
      }),
    ),
  );
  const limits = new Limits({ ...config.limits, clock });
  const reload = new Reload<ServerConfig>((outcome) => trail.reloaded(outcome));
  reload.part(({ ttl, ca }) => issuance.change({ ttl, jwtIssuer: ca.jwtIssuer }));
  reload.part(
    ({ ttl }) =>
      () =>
        authorities.setLongestTtl(longestTtlSeconds(ttl)),
  );
  reload.part(({ certificateProfiles }) => () => {
    issuance.setCertificateProfiles(certificateProfiles);
    sets.setCertificateProfiles(certificateProfiles);
  });
  reload.part((next) => attestors.prepare(next));
  reload.part((next) => () => limits.setRates(next.limits));
  reloadFederation(reload, federation);
  const stopping = new AbortController();
  const readiness = serverReadiness({
    datastore,
    authorities,
    upstreamTrouble: () => upstreamWatch.trouble,
    auditLog,
    keyManager,
    clock,
    stopping: stopping.signal,
  });
  readiness.add(federationAdvice(federation));
  started.use(watchRenewable({ store: datastore, clock, random, logger, metrics, readiness }));
  observeSets(sets.others, { metrics, readiness, clock });
  // It follows an authority that came late, and without it every caller is turned away.
  readiness.add({ name: "server SVID", missing: () => identity.problem });
  const propagation = new Propagation(metrics);
  started.defer(datastore.onCommit((revision) => propagation.committed(revision)));
  const hub = started.use(
    new PushHub({
      trustDomain: trustDomain.name,
      entries: authorizedEntries,
      bundles,
      nodes,
      revocations,
      clock,
    }),
  );
  const entries = new EntryService({
    store: datastore,
    trustDomain,
    clock,
    random,
    ttlReachSeconds: () => authorities.plan("x509").reach,
    reach: new Reach({ index: authorizedEntries, nodes: datastore.nodes }),
  });
  const provisioning = await step("provision front end", () =>
    openProvisioning(config, {
      datastore,
      trustDomain,
      issuance,
      sets,
      ownBundle: () => bundles.own(),
      revocations,
      clock,
      random,
    }),
  );
  let gate: ((method: string, call: CallContext) => Promise<void>) | undefined;
  const services = serverServices({
    config,
    datastore,
    trustDomain,
    clock,
    random,
    logger,
    logLevel,
    scope,
    trail,
    auditLog,
    authorities,
    sets,
    revocation,
    bundles,
    federation,
    nodes,
    authorizedEntries,
    entries,
    issuance,
    wit,
    identity,
    attestors,
    limits,
    provisioning,
    readiness,
    propagation,
    hub,
    reload,
    recheck: async (call) => gate?.(call.method, call),
    stopping: stopping.signal,
  });
  const listeners = started.use(
    await step("listeners", () =>
      Listeners.open({
        ...address,
        socket: config.socket,
        services: meteredServices(auditedServices(services, { trail, scope }), metrics),
        gate: (connection) => {
          const check = new Gate({
            connection,
            checkActive: (agentId, serial) => nodes.checkActive(agentId, serial),
            entries: datastore.entries,
            isRevoked: (authorityId, serial) => revocations.isRevoked(authorityId, serial),
            clock,
            logger,
          });
          const audited = auditedGate(
            (method, call) => check.check(method, call),
            trail,
            (label) => connection(label)?.remoteAddress,
          );
          gate = audited;
          return meteredGate(audited, metrics);
        },
        credentials: () => identity.current(),
        roots,
        clock,
        logger,
      }),
    ),
  );
  readServer(metrics, {
    clock,
    version,
    trustDomain: trustDomain.name,
    authorities,
    otherSets: sets.others,
    upstreamTrouble: () => upstreamWatch.trouble,
    keyManager,
    auditLog,
    revision: () => authorizedEntries.revision,
    entries: () => authorizedEntries.size,
    nodes: () => nodes.size,
    followers: () => hub.size,
  });
  const frontEnds = started.use(
    await openFrontEnds(config, {
      bundles,
      authorities,
      issuance,
      svid: () => identity.current(),
      reload,
      revocations,
      datastore,
      trail,
      scope,
      roots,
      provisioning,
      clock,
      random,
      metrics,
      readiness,
      logger,
      step,
    }),
  );
  started.defer(() => stopping.abort());
  logger.info("server started", {
    trustDomain: trustDomain.name,
    ...listeners.tcpAddress,
    socket: config.socket,
  });
  const parts = started.move();
  return {
    tcpAddress: listeners.tcpAddress,
    socket: config.socket,
    ...frontEnds.addresses,
    authorities,
    authoritySets: sets,
    reload: (load) => reload.run(load),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Puts the name of the step before what went wrong in it. */
async function runStep<T>(
  name: string,
  work: () => T | Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal?.aborted === true) throw fail("cancelled", "the server was stopped as it started");
  try {
    return await work();
  } catch (thrown) {
    const error = errorFrom(thrown);
    throw fail(error.kind, `server cannot start: ${name}: ${error.message}`, { cause: thrown });
  }
}
