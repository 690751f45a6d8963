import type { Clock } from "../../base/clock.ts";
import type { Logger, LogLevelSwitch } from "../../observe/logger.ts";
import type { HealthSource } from "../../rpc/grpc/health.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Cache } from "../cache/cache.ts";
import type { KnownBundles } from "../cache/known-bundles.ts";
import type { JwtCache } from "../cache/jwt-cache.ts";
import type { AgentIdentity } from "../identity/agent-identity.ts";
import type { ServerClient } from "../server-client/server-client.ts";
import type { SyncState } from "../sync/sync.ts";
import { AdminListener } from "./admin-listener.ts";

/** The parts of an agent that its admin socket shows. */
export interface AdminParts {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logLevel: LogLevelSwitch;
  readonly health: HealthSource;
  readonly identity: AgentIdentity;
  readonly cache: Cache;
  readonly jwtCache: JwtCache;
  readonly bundles: KnownBundles;
  readonly authorizedDelegates: () => readonly string[];
  readonly client: ServerClient;
  readonly whyNoIdentity: () => string | undefined;
  /** Of workloads. */
  readonly attestation: Attestation;
  /** Milliseconds since 1970; 0 before the first sync. */
  readonly lastSyncMs: () => number;
  readonly syncState: () => SyncState | undefined;
  /** How many SVIDs are held for SVID stores. */
  readonly storedSvids: () => number;
  /** Ends when the agent stops. */
  readonly stopping: AbortSignal;
}

/** @throws precondition when another process answers on the path or it cannot be used */
export function openAdmin(parts: AdminParts): Promise<AdminListener> {
  const { path, clock, logger, logLevel, health, identity, cache, jwtCache, client } = parts;
  const { attestation, syncState, whyNoIdentity, stopping } = parts;
  return AdminListener.open({
    path,
    clock,
    logger,
    logLevel,
    health,
    debug: {
      clock,
      startedAtMs: clock.nowMs(),
      chain: () => identity.svid?.chain ?? [],
      bundle: () => identity.bundle,
      lastSyncMs: parts.lastSyncMs,
      x509Svids: () => cache.svidCount,
      jwtSvids: () => jwtCache.size,
      storedSvids: parts.storedSvids,
    },
    delegated: parts,
    explain: {
      attestation,
      cache,
      clock,
      syncState,
      whyNoIdentity,
      agentId: () => identity.svid?.spiffeId.toString(),
      askServer: (selectors, signal) => client.nearest(selectors, signal),
      stopping,
    },
  });
}
