/** Composition root of the agent: identity, sync, cache, Workload API. */
import { type Clock, systemClock } from "../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../base/errors.ts";
import { type Random, systemRandom } from "../base/random.ts";
import type { AgentConfig } from "../config/agent/agent-config.ts";
import type { ConfigChange } from "../config/reload.ts";
import { type Logger, LogLevelSwitch } from "../observe/logger.ts";
import { Metrics } from "../observe/metrics.ts";
import type { SpiffeId } from "../spiffe/spiffe-id.ts";
import { type AdminParts, openAdmin } from "./admin/open-admin.ts";
import { Attestation } from "./attestation/attestation.ts";
import { WorkloadAttestors } from "./attestation/workload-attestors.ts";
import { openBroker } from "./broker/open-broker.ts";
import { Cache } from "./cache/cache.ts";
import { KnownBundles } from "./cache/known-bundles.ts";
import { JwtCache } from "./cache/jwt-cache.ts";
import { reportHost } from "./host-facts.ts";
import { AgentIdentity } from "./identity/agent-identity.ts";
import { trustBootstrapBundle } from "./identity/bootstrap.ts";
import { FirstIdentity } from "./identity/first-identity.ts";
import { nodeAttestor, nodeAttestorReload } from "./identity/node-attestors.ts";
import { NodeAttestation } from "./identity/node-attestation.ts";
import { agentHealth, agentReadiness, openMetrics, readAgent } from "./observe-agent.ts";
import { Standing } from "./identity/standing.ts";
import { ServerClient } from "./server-client/server-client.ts";
import { StoredSvids } from "./stores/stored-svids.ts";
import { JwtBatches } from "./sync/jwt-batches.ts";
import { signJwt } from "./sync/jwt-signer.ts";
import { LiveConfig } from "./live-config.ts";
import type { AgentDependencies, RunningAgent } from "./running-agent.ts";
import { openWorkloadSocket } from "./socket-services.ts";
import { Upkeep } from "./upkeep.ts";
import { witParts } from "./wit/wit-parts.ts";
import { encodeView } from "./workload-api/view-messages.ts";

/**
 * Starts an agent: it listens at once, and the promise resolves when it has its own identity. While the server is away
 * it waits (and its socket answers UNAVAILABLE).
 * @throws precondition when it cannot have an identity, with the next step
 */
export async function startAgent(
  config: AgentConfig,
  dependencies: AgentDependencies,
): Promise<RunningAgent> {
  const agent = new Agent(config, dependencies);
  try {
    await agent.start();
    return agent;
  } catch (error) {
    await agent[Symbol.asyncDispose]();
    throw error;
  }
}

class Agent implements RunningAgent {
  readonly #config: AgentConfig;
  readonly #live: LiveConfig;
  readonly #logger: Logger;
  readonly #logLevel: LogLevelSwitch;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #version: string;
  readonly #attestWithin: { readonly deadlineMs?: number };
  readonly #stop = new AbortController();
  readonly #stopped = Promise.withResolvers<AssayError | undefined>();
  readonly #stack = new AsyncDisposableStack();
  /** From when the agent has its identity. */
  #upkeep: Upkeep | undefined;
  #storedSvids: () => number = () => 0;
  #metricsAddress: { readonly host: string; readonly port: number } | undefined;
  #spiffeId: SpiffeId | undefined;
  #canReattest = false;
  readonly #bundles = new KnownBundles();
  readonly #loops: AsyncDisposable[] = [];
  #failure: AssayError | undefined;
  #disposing: Promise<void> | undefined;

  constructor(config: AgentConfig, dependencies: AgentDependencies) {
    this.#config = config;
    this.#live = new LiveConfig(config);
    this.#logger = dependencies.logger;
    this.#logLevel = dependencies.logLevel ?? new LogLevelSwitch(config.logLevel);
    this.#clock = dependencies.clock ?? systemClock;
    this.#random = dependencies.random ?? systemRandom;
    this.#version = dependencies.version ?? "";
    const { signal, attestWithinMs: deadlineMs } = dependencies;
    this.#attestWithin = deadlineMs === undefined ? {} : { deadlineMs };
    const onAbort = (): void => this.#stop.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#stack.defer(() => signal?.removeEventListener("abort", onAbort));
  }

  get socket(): string {
    return this.#config.socket;
  }

  get metricsAddress(): { readonly host: string; readonly port: number } | undefined {
    return this.#metricsAddress;
  }

  get spiffeId(): SpiffeId {
    if (this.#spiffeId === undefined) throw new TypeError("the agent has not started");
    return this.#spiffeId;
  }

  get stopped(): Promise<AssayError | undefined> {
    return this.#stopped.promise;
  }

  wake(): void {
    this.#upkeep?.sync.wake();
  }

  reload(load: () => Promise<ConfigChange<AgentConfig>>): Promise<void> {
    return this.#live.reload(load);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async start(): Promise<void> {
    const config = this.#config;
    const logger = this.#logger;
    const clock = this.#clock;
    const { trustDomain } = config;
    const metrics = new Metrics();
    const identity = this.#stack.use(
      await AgentIdentity.open({ dir: config.dataDir, trustDomain, clock, logger }),
    );
    const client = this.#stack.use(
      new ServerClient({
        server: config.server,
        trustDomain,
        identity,
        onRefused: (error) => standing.refused(error),
        onDenied: () => standing.denied(),
        metrics,
      }),
    );
    const first = new FirstIdentity({
      config,
      identity,
      client,
      clock,
      random: this.#random,
      logger,
      signal: this.#stop.signal,
    });
    await trustBootstrapBundle(identity, config);
    const cache: Cache = this.#stack.use(
      new Cache({
        clock,
        encode: encodeView,
        ...this.#live.cachePolicy,
      }),
    );
    const standing = new Standing({
      identity,
      cache,
      clock,
      random: this.#random,
      logger,
      canReattest: () => this.#canReattest,
      onRenewed: () => this.#upkeep?.identityRenewed(),
      onFading: () => void this.#upkeep?.sync[Symbol.asyncDispose](),
      onFailed: (error) => this.#fail(error),
    });
    const signal = this.#stop.signal;
    const batches = new JwtBatches({ server: client.signer, clock, signal });
    const jwtCache = new JwtCache({
      clock,
      random: this.#random,
      max: config.jwtCacheMax,
      sign: (entry, audience) =>
        signJwt({ signer: client.signer, batches, signal }, entry, audience),
    });
    const attestors = this.#stack.use(
      await WorkloadAttestors.open(config, {
        logger,
        clock,
        spendToken: (token) => client.spendToken(token, this.#stop.signal),
      }),
    );
    const observed = {
      clock,
      identity,
      cache,
      heardAtMs: () => this.#upkeep?.sync.lastSuccessMs ?? 0,
    };
    const whyNoIdentity = (): string | undefined => first.lastError?.message;
    const readiness = agentReadiness({
      ...observed,
      whyNoIdentity,
      syncIntervalMs: () => this.#live.current.syncIntervalMs,
    });
    const workloads = new Attestation({
      attestors: attestors.current,
      clock,
      logger,
      metrics,
      ...this.#attestWithin,
    });
    const health = agentHealth({ readiness, cache, clock });
    const server = await openWorkloadSocket({
      path: config.socket,
      parts: {
        attestation: workloads,
        cache,
        jwtCache,
        clock,
        logger,
        metrics,
        allowedForeignJwtClaims: () => this.#live.current.allowedForeignJwtClaims,
        ...witParts({ config, client, clock, signal }),
        config: config.sds,
        random: this.#random,
      },
      health,
      stack: this.#stack,
    });
    readAgent(metrics, {
      ...observed,
      jwtCache,
      version: this.#version,
      trustDomain,
      connections: () => server.connections,
      entryChanges: () => cache.entryChanges,
      syncState: () => this.#upkeep?.sync.state,
    });
    if (config.metricsListen !== undefined) {
      const { metricsListen } = config;
      const listener = await openMetrics({ metricsListen, metrics, readiness, logger });
      this.#metricsAddress = this.#stack.use(listener).address;
    }
    if (config.broker !== undefined) {
      const parts = { config: config.broker, attestation: workloads, bundles: this.#bundles };
      const pods = (): typeof attestors.pods => attestors.pods;
      await openBroker({
        ...parts,
        pods,
        identity,
        cache,
        jwtCache,
        clock,
        logger,
        stack: this.#stack,
      });
    }
    await this.#serveAdmin({
      health,
      identity,
      cache,
      jwtCache,
      client,
      attestation: workloads,
      whyNoIdentity,
    });

    const attestor = nodeAttestor(config, { clock, random: this.#random });
    const attestation = new NodeAttestation({
      identity,
      server: client,
      clock,
      random: this.#random,
      logger,
      ...(attestor === undefined ? {} : { attestor }),
    });
    this.#canReattest = attestor?.repeatable === true;
    this.#live.part(nodeAttestorReload(attestation, { clock, random: this.#random }));
    this.#spiffeId = (await first.obtain(attestation)).spiffeId;
    if (identity.bundle !== undefined) cache.preload(identity.bundle);
    this.#loops.push(this.#stack.use(standing.keep(attestation)));
    const stored = this.#stack.use(
      await StoredSvids.open({
        config,
        signer: client.signer,
        clock,
        random: this.#random,
        logger,
        metrics,
        isFading: () => standing.isFading,
      }),
    );
    this.#storedSvids = () => stored.count;
    this.#live.part((next) => stored.prepare(next.svidStores));
    const upkeep = new Upkeep({
      config,
      identity,
      client,
      cache,
      jwtCache,
      stored,
      bundles: this.#bundles,
      clock,
      random: this.#random,
      logger,
      isFading: () => standing.isFading,
      onEmpty: () => standing.emptied(),
      outdateIdentity: () => standing.outdate(),
      wakeRenewal: () => standing.wakeRenewal(),
    });
    this.#upkeep = upkeep;
    this.#live.follow({ cache, jwtCache, sync: upkeep.sync });
    this.#loops.push(this.#stack.use(upkeep));
    const report = (): void =>
      reportHost({
        client,
        attestors: attestors.current,
        version: this.#version,
        logger,
        signal: this.#stop.signal,
      });
    report();
    this.#live.part(async (next) => {
      const begin = await attestors.prepare(next);
      return () => {
        begin();
        workloads.ask(attestors.current);
        report();
      };
    });
  }

  async #serveAdmin(
    parts: Pick<
      AdminParts,
      "health" | "identity" | "cache" | "jwtCache" | "client" | "attestation" | "whyNoIdentity"
    >,
  ): Promise<void> {
    const path = this.#config.adminSocket;
    if (path === undefined) return;
    const listener = await openAdmin({
      ...parts,
      path,
      clock: this.#clock,
      logger: this.#logger,
      logLevel: this.#logLevel,
      lastSyncMs: () => this.#upkeep?.sync.lastSuccessMs ?? 0,
      storedSvids: () => this.#storedSvids(),
      syncState: () => this.#upkeep?.sync.state,
      bundles: this.#bundles,
      authorizedDelegates: () => this.#live.current.authorizedDelegates,
      stopping: this.#stop.signal,
    });
    this.#stack.use(listener);
    this.#logger.info("admin socket is listening", { socket: path });
  }

  #fail(error: AssayError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#logger.error("the agent stops", { error });
    // They end now, and have no more to say; that they have ended is for disposal to wait for.
    for (const loop of this.#loops) void loop[Symbol.asyncDispose]();
    // Not from within the loop that found out, which disposal waits for.
    setImmediate(() => void this[Symbol.asyncDispose]());
  }

  async #dispose(): Promise<void> {
    this.#stop.abort(fail("cancelled", "the agent is stopping"));
    try {
      await this.#stack.disposeAsync();
    } catch (error) {
      this.#logger.error("the agent did not stop cleanly", { error: errorFrom(error) });
    } finally {
      this.#stopped.resolve(this.#failure);
    }
  }
}
