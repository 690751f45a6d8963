/** Composition root of the server: every part is made here, in order, and taken down in the opposite one. */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { parseAddress } from "../config/address.ts";
import type { ConfigChange } from "../config/reload.ts";
import type { ServerConfig } from "../config/server/server-config.ts";
import { type Logger, LogLevelSwitch } from "../observe/logger.ts";
import { Metrics } from "../observe/metrics.ts";
import { TrustDomain } from "../spiffe/trust-domain.ts";
import { bundlePublishers } from "./bundles/bundle-publishers.ts";
import { BundleService } from "./bundles/bundle-service.ts";
import type { AuthoritySet } from "./ca/authority-set.ts";
import { startFeedPruner } from "./datastore/feed-pruner.ts";
import { type FrontEndAddresses, openFrontEnds } from "./frontends/front-ends.ts";
import { openAuthorities } from "./start/authorities.ts";
import { openIssuance } from "./start/issuance.ts";
import { openListeners } from "./start/listeners.ts";
import { reloadOf } from "./start/reload.ts";
import { steps } from "./start/start.ts";
import { openState } from "./start/state.ts";
import { serverServices } from "./services.ts";
import { Limits } from "./endpoints/limits.ts";
import { worstLoss } from "../spiffe/lost-authorities.ts";
import { TrustedRoots } from "./endpoints/peer-identity.ts";
import { observeSets } from "./ca/observe-sets.ts";
import { readServer, serverReadiness } from "./observe-server.ts";
import { federationAdvice } from "./federation/observe-federation.ts";
import { openFederation } from "./federation/open-federation.ts";
import { AuthorizedEntries } from "./entries/authorized-entries.ts";
import { startEntryPruner } from "./entries/entry-pruner.ts";
import { EntryService } from "./entries/entry-service.ts";
import { Reach } from "./entries/reach.ts";
import { UpstreamWatcher } from "./upstream/watch.ts";
import { openProvisioning } from "./frontends/provision/provisioning.ts";
import { NodeService } from "./nodes/node-service.ts";
import { watchRenewable } from "./nodes/renewable-watch.ts";
import { startTokenPruner } from "./nodes/token-pruner.ts";
import { Propagation } from "./push/propagation.ts";
import { PushHub } from "./push/push-hub.ts";
import { ConfiguredAttestors } from "./attestors/configured-attestors.ts";
import type { AuthoritySets } from "./ca/authority-sets.ts";

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

export interface RunningServer extends AsyncDisposable, FrontEndAddresses {
  readonly tcpAddress: { readonly host: string; readonly port: number };
  /** Path of the admin Unix socket. */
  readonly socket: string;
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
  const step = steps(signal);
  await using started = new AsyncDisposableStack();
  const trustDomain = await step("configuration", () => TrustDomain.parse(config.trustDomain));
  const address = await step("configuration", () =>
    parseAddress(config.listen, "listen", { zeroPort: true }),
  );
  const metrics = new Metrics();
  const start = { config, trustDomain, clock, random, logger, metrics, started, step };
  const state = await openState(start, address);
  const { datastore, auditLog, scope, trail, keyManager } = state;
  const signing = await openAuthorities(start, state);
  const { upstream, authorities, sets, revocation } = signing;
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
  const { issuance, wit, identity } = await openIssuance(start, state, signing, bundles);
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
  for (const prune of [startEntryPruner, startTokenPruner, startFeedPruner]) {
    started.use(
      prune({ store: datastore, trustDomain, clock, random, logger, metrics, audit: trail }),
    );
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
  const reload = reloadOf({ issuance, authorities, sets, attestors, limits, federation, trail });
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
  const listeners = await openListeners(start, {
    ...state,
    address,
    nodes,
    revocations,
    identity,
    roots,
    services: (recheck) =>
      serverServices({
        ...start,
        ...state,
        logLevel,
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
        recheck,
        stopping: stopping.signal,
      }),
  });
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
