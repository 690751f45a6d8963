/** What the agent shows of itself: readings for metrics, and what it takes to be ready. */
import type { Clock } from "../base/clock.ts";
import { parseAddress } from "../config/address.ts";
import { HttpListener } from "../http/http-listener.ts";
import { observeRoutes } from "../http/observe-routes.ts";
import type { HealthSource } from "../rpc/grpc/health.ts";
import type { Logger } from "../observe/logger.ts";
import { AGENT_METRICS } from "../observe/metric-names.ts";
import type { Metrics } from "../observe/metrics.ts";
import { readProcess } from "../observe/process-metrics.ts";
import { Readiness } from "../observe/readiness.ts";
import type { Cache } from "./cache/cache.ts";
import type { JwtCache } from "./cache/jwt-cache.ts";
import type { SyncState } from "./sync/sync.ts";
import type { AgentIdentity } from "./identity/agent-identity.ts";

export interface AgentObserved {
  readonly clock: Clock;
  readonly identity: Pick<AgentIdentity, "svid">;
  readonly cache: Pick<
    Cache,
    "synced" | "entryCount" | "svidCount" | "subscriberCount" | "earliestExpiry"
  >;
  /** When the server was last heard, milliseconds since 1970; 0 = never. */
  readonly heardAtMs: () => number;
}

export interface ReadAgentParams extends AgentObserved {
  readonly version: string;
  readonly trustDomain: string;
  readonly jwtCache: Pick<JwtCache, "size">;
  readonly entryChanges: () => Cache["entryChanges"];
  /** `undefined` before there is a sync. */
  readonly syncState: () => SyncState | undefined;
  /** Open connections of workloads. */
  readonly connections: () => number;
}

export function readAgent(metrics: Metrics, params: ReadAgentParams): void {
  const { clock, identity, cache, jwtCache, version, trustDomain, connections, heardAtMs } = params;
  const { started, uptime } = AGENT_METRICS;
  readProcess(metrics, { clock, version, trustDomain, started, uptime });
  const one = (value: number | undefined) => (value === undefined ? [] : [{ labels: [], value }]);
  const secondsUntil = (end: number | undefined): number | undefined =>
    end === undefined ? undefined : end - clock.nowMs() / 1000;
  const { entryChanges, syncState } = params;
  metrics.read(AGENT_METRICS.entriesAdded, () => one(entryChanges().added));
  metrics.read(AGENT_METRICS.entriesUpdated, () => one(entryChanges().updated));
  metrics.read(AGENT_METRICS.entriesRemoved, () => one(entryChanges().removed));
  metrics.read(AGENT_METRICS.entryRecords, () => [{ labels: ["x509"], value: cache.entryCount }]);
  metrics.read(AGENT_METRICS.revision, () => one(syncState()?.revision));
  metrics.read(AGENT_METRICS.revisionLag, () => one(revisionLag(syncState())));
  metrics.read(AGENT_METRICS.appliedAge, () => {
    const appliedMs = syncState()?.lastAppliedMs ?? 0;
    return one(appliedMs === 0 ? undefined : (clock.nowMs() - appliedMs) / 1000);
  });
  metrics.read(AGENT_METRICS.connections, () => one(connections()));
  metrics.read(AGENT_METRICS.entries, () => one(cache.entryCount));
  metrics.read(AGENT_METRICS.streams, () => one(cache.subscriberCount));
  metrics.read(AGENT_METRICS.svidCount, () => [{ labels: ["x509"], value: cache.svidCount }]);
  metrics.read(AGENT_METRICS.jwtCount, () => one(jwtCache.size));
  metrics.read(AGENT_METRICS.svidSecondsLeft, () => one(secondsUntil(identity.svid?.expiresAt)));
  metrics.read(AGENT_METRICS.leastSecondsLeft, () => one(secondsUntil(cache.earliestExpiry)));
  metrics.read(AGENT_METRICS.syncAge, () => {
    const heardMs = heardAtMs();
    return one(heardMs === 0 ? undefined : (clock.nowMs() - heardMs) / 1000);
  });
}

/** Without a revision of its own, the agent has everything before it. */
function revisionLag(state: SyncState | undefined): number | undefined {
  if (state?.newestRevision === undefined) return undefined;
  return Math.max(0, state.newestRevision - (state.revision ?? 0));
}

export interface AgentReadinessParams extends AgentObserved {
  readonly whyNoIdentity: () => string | undefined;
  readonly syncIntervalMs: () => number;
}

export function agentReadiness(params: AgentReadinessParams): Readiness {
  const { clock, identity, cache, heardAtMs, syncIntervalMs, whyNoIdentity } = params;
  return new Readiness(clock, [
    {
      name: "identity",
      missing: () => {
        const { svid } = identity;
        if (svid === undefined) {
          const why = whyNoIdentity();
          const none = "the agent has not attested yet";
          return why === undefined ? none : `${none}: ${why}`;
        }
        return svid.expiresAt * 1000 > clock.nowMs() ? undefined : "the agent's SVID has expired";
      },
    },
    {
      name: "sync",
      missing: () => {
        const heardMs = heardAtMs();
        if (heardMs === 0 || !cache.synced) return "nothing came from the server yet";
        const patienceMs = Math.max(SYNC_INTERVALS * syncIntervalMs(), SYNC_PATIENCE_MS);
        const silentMs = clock.nowMs() - heardMs;
        if (silentMs <= patienceMs) return undefined;
        return `the server was not heard for ${Math.round(silentMs / 1000)} s; workloads are served on what is held`;
      },
    },
  ]);
}

export interface AgentHealthParams {
  readonly readiness: Readiness;
  readonly cache: Pick<Cache, "onSynced">;
  readonly clock: Clock;
}

/** gRPC health says what `/ready` says: of the first sync at once, of anything else soon. */
export function agentHealth({ readiness, cache, clock }: AgentHealthParams): HealthSource {
  return {
    serving: () => readiness.isReady(),
    parts: () => readiness.results(),
    onChange: (listener) => {
      const stopSynced = cache.onSynced(listener);
      let cancel = (): void => undefined;
      const arm = (): void => {
        cancel = clock.after(HEALTH_CHECK_MS, () => {
          arm();
          listener();
        });
      };
      arm();
      return () => {
        stopSynced();
        cancel();
      };
    },
  };
}

export interface OpenMetricsParams {
  /** `host:port`. */
  readonly metricsListen: string;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly logger: Logger;
}

/** @throws precondition when the address cannot be listened on */
export async function openMetrics(params: OpenMetricsParams): Promise<HttpListener> {
  const { metricsListen, metrics, readiness, logger } = params;
  const listener = await HttpListener.open({
    setting: "--metrics-listen",
    ...parseAddress(metricsListen, "metrics-listen", { zeroPort: true }),
    routes: observeRoutes({ metrics, readiness }),
    logger,
  });
  logger.info("metrics are served", listener.address);
  return listener;
}

const HEALTH_CHECK_MS = 2000;
/** A poll may fail a few times before anyone should be woken; a stream gives a sign of life every half minute. */
const SYNC_INTERVALS = 12;
const SYNC_PATIENCE_MS = 120_000;
