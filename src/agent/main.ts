/** Composition root of the agent: identity, sync, cache, Workload API. */
import { type Clock, epochSeconds, systemClock } from "../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../base/errors.ts";
import { Loop } from "../base/loop.ts";
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
import { AuthorityWatch } from "./cache/authority-watch.ts";
import { Cache } from "./cache/cache.ts";
import { KnownBundles } from "./cache/known-bundles.ts";
import { JwtCache } from "./cache/jwt-cache.ts";
import { reportHost } from "./host-facts.ts";
import { AgentIdentity } from "./identity/agent-identity.ts";
import { trustBootstrapBundle } from "./identity/bootstrap.ts";
import { FirstIdentity } from "./identity/first-identity.ts";
import { nodeAttestor, nodeAttestorReload } from "./identity/node-attestors.ts";
import {
  EXPIRED,
  NodeAttestation,
  bannedError,
  refusedError,
} from "./identity/node-attestation.ts";
import { agentHealth, agentReadiness, openMetrics, readAgent } from "./observe-agent.ts";
import { RenewNow } from "./identity/renew-now.ts";
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
  readonly #stop = new AbortController();
  readonly #stopped = Promise.withResolvers<AssayError | undefined>();
  readonly #stack = new AsyncDisposableStack();
  #wakeRenewal: () => void = () => undefined;
  #outdateIdentity: () => void = () => undefined;
  #wantsRenewal: () => boolean = () => false;
  #isRenewing = false;
  readonly #renewal: RenewNow;
  /** From when the agent has its identity. */
  #upkeep: Upkeep | undefined;
  #storedSvids: () => number = () => 0;
  #metricsAddress: { readonly host: string; readonly port: number } | undefined;
  #spiffeId: SpiffeId | undefined;
  #canReattest = false;
  readonly #bundles = new KnownBundles();
  readonly #loops: AsyncDisposable[] = [];
  #failure: AssayError | undefined;
  /** Why there will be nothing new, while what is held is still served. */
  #fading: AssayError | undefined;
  #disposing: Promise<void> | undefined;

  constructor(config: AgentConfig, dependencies: AgentDependencies) {
    this.#config = config;
    this.#live = new LiveConfig(config);
    this.#logger = dependencies.logger;
    this.#logLevel = dependencies.logLevel ?? new LogLevelSwitch(config.logLevel);
    this.#clock = dependencies.clock ?? systemClock;
    this.#random = dependencies.random ?? systemRandom;
    this.#renewal = new RenewNow(this.#clock);
    this.#version = dependencies.version ?? "";
    const { signal } = dependencies;
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
        onRefused: (error) => this.#refused(error, identity, cache),
        onDenied: () => this.#renewNow(),
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
    const signal = this.#stop.signal;
    const batches = new JwtBatches({ server: client, clock, signal });
    const jwtCache = new JwtCache({
      clock,
      random: this.#random,
      max: config.jwtCacheMax,
      sign: (entry, audience) => signJwt({ client, batches, signal }, entry, audience),
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
    const workloads = new Attestation({ attestors: attestors.current, clock, logger, metrics });
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
    this.#keepIdentity(identity, attestation, cache);
    const stored = this.#stack.use(
      await StoredSvids.open({
        config,
        signer: client,
        clock,
        random: this.#random,
        logger,
        metrics,
        isFading: () => this.#fading !== undefined,
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
      isFading: () => this.#fading !== undefined,
      onEmpty: () => {
        if (this.#fading !== undefined) this.#fail(this.#fading);
      },
      outdateIdentity: () => this.#outdateIdentity(),
      wakeRenewal: () => this.#wakeRenewal(),
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

  #keepIdentity(identity: AgentIdentity, attestation: NodeAttestation, cache: Cache): void {
    const taintedOf = new AuthorityWatch();
    const loop = new Loop({
      name: "identity",
      clock: this.#clock,
      random: this.#random,
      round: async (signal) => {
        if (identity.svid === undefined) await attestation.attest(signal);
        if (cache.ownBundle !== undefined) taintedOf.see(cache.ownBundle);
        this.#isRenewing = true;
        const fresh = attestation.keepFresh(taintedOf.lost, signal);
        const dueInMs = await fresh.finally(() => (this.#isRenewing = false));
        this.#upkeep?.identityRenewed();
        return Math.min(Math.max(dueInMs, IDENTITY_MIN_MS), IDENTITY_MAX_MS);
      },
      backoff: { baseMs: 1000, maxMs: 30_000, jitter: 0.2 },
      // However short its life: a server that is back before the SVID ends is to be met.
      retryWithinMs: () => {
        const leftMs = (identity.svid?.expiresAt ?? 0) * 1000 - this.#clock.nowMs();
        return leftMs > 0 ? Math.max(IDENTITY_MIN_MS, leftMs / TRIES_LEFT) : Infinity;
      },
      onError: (error, retryMs) => {
        if (error.kind === "precondition") {
          if (error.reason === EXPIRED) this.#fade(error, cache);
          else this.#fail(error);
          return;
        }
        this.#logger.warn("the agent's SVID was not renewed", {
          error,
          retryMs,
        });
      },
    });
    this.#wakeRenewal = () => loop.wake();
    this.#outdateIdentity = () => attestation.outdate();
    this.#wantsRenewal = () => attestation.isDue;
    this.#loops.push(this.#stack.use(loop));
  }

  /** An authority may have been tainted while the agent was away: the server then takes nothing but a renewal. */
  #renewNow(): void {
    // What is denied to a renewal itself is no reason for the next one.
    if (this.#isRenewing || !this.#renewal.isDue(this.#wantsRenewal())) return;
    this.#outdateIdentity();
    this.#wakeRenewal();
  }

  /** The server refuses the agent itself. */
  #refused(error: AssayError, identity: AgentIdentity, cache: Cache): void {
    if (error.reason === "AGENT_BANNED") {
      // Dropped, so that the folder can be used again: the server refuses the ID itself, not this SVID alone.
      void this.#drop(identity);
      this.#fail(bannedError(error));
      return;
    }
    const svid = identity.svid;
    if (svid === undefined || this.#fading !== undefined) return;
    if (error.reason === EXPIRED && !svid.reattestable && !this.#canReattest) {
      // One of the two clocks is wrong, which may pass; when it is over by the own one, `keepFresh` says so.
      if (svid.expiresAt > epochSeconds(this.#clock)) this.#logger.warn(CLOCKS_DIFFER, { error });
      else this.#fade(refusedError(error), cache);
      return;
    }
    this.#logger.warn("the server does not accept the agent's SVID any more", { error });
    void this.#drop(identity);
    if (svid.reattestable || this.#canReattest) this.#wakeRenewal();
    else this.#fail(refusedError(error));
  }

  async #drop(identity: AgentIdentity): Promise<void> {
    try {
      await identity.drop();
    } catch (thrown) {
      this.#logger.error("the dropped SVID is still on disk", { error: errorFrom(thrown) });
    }
  }

  /** Its own time ran out, that of its workloads' SVIDs may not have: those are served until the last one ends. */
  #fade(error: AssayError, cache: Cache): void {
    if (this.#fading !== undefined) return;
    this.#fading = error;
    if (cache.svidCount === 0) {
      this.#fail(error);
      return;
    }
    this.#logger.error("the agent gets nothing new; it stops when the last SVID it holds ends", {
      error,
      held: cache.svidCount,
    });
    void this.#upkeep?.sync[Symbol.asyncDispose]();
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

const CLOCKS_DIFFER =
  "the agent's SVID has expired by the server's clock, and has not by this host's: compare them";
const IDENTITY_MIN_MS = 1000;
const IDENTITY_MAX_MS = 3600_000;
/** A retry waits for no more than this part of what is left of the SVID. */
const TRIES_LEFT = 8;
