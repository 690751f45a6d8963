import { errorFrom, fail } from "../base/errors.ts";
import { CallerLog } from "../observe/caller-log.ts";
import { HEALTH_PARTS, serveHealthParts } from "../rpc/grpc/health-parts.ts";
import { serveHealth } from "../rpc/grpc/health.ts";
import { serveReflection } from "../rpc/grpc/reflection.ts";
import { SocketGrpcServer } from "../rpc/grpc/server.ts";
import type { Peer } from "./peer/peer.ts";
import { SECRET_DISCOVERY, routeSecretDiscovery } from "./sds/service.ts";
import { WorkloadListener } from "./workload-api/listener.ts";
import { WORKLOAD_API, routeWorkloadApi } from "./workload-api/service.ts";

type HealthService = Parameters<typeof serveHealth>[2];

export interface WorkloadSocketOptions {
  /** Path of the socket. */
  readonly path: string;
  readonly parts: Parameters<typeof routeWorkloadApi>[1] &
    Parameters<typeof routeSecretDiscovery>[1];
  readonly health: HealthService;
  /** What ends together with the agent. */
  readonly stack: AsyncDisposableStack;
}

/** Every service of the public socket: the Workload API, secrets for Envoy, health, reflection. @throws precondition when it is taken */
export async function openWorkloadSocket(
  options: WorkloadSocketOptions,
): Promise<SocketGrpcServer<Peer>> {
  const { path, parts, health, stack } = options;
  const { clock, logger } = parts;
  const log = new CallerLog(logger, clock);
  const server = new SocketGrpcServer<Peer>({
    clock,
    logger,
    onUnread(peer, thrown) {
      const error = errorFrom(thrown);
      const { uid, pid } = peer;
      log.warn(uid, "a call was refused unread", { uid, pid, error: error.message });
      parts.attestation.noteUnread(peer, error);
    },
  });
  stack.defer(() =>
    server.shutdown({ status: fail("unavailable", "the agent is stopping"), graceMs: GRACE_MS }),
  );
  serveHealth(server, SERVICES, health);
  const [root, own] = [0, process.geteuid?.()];
  serveHealthParts(server, health.parts, ({ uid }) => uid === root || uid === own);
  serveReflection(server, [...SERVICES, "grpc.health.v1.Health", HEALTH_PARTS]);
  routeWorkloadApi(server, parts);
  routeSecretDiscovery(server, parts);
  stack.use(await WorkloadListener.open({ path, server, clock, logger }));
  logger.info("Workload API is listening", { socket: path });
  return server;
}

const SERVICES = [WORKLOAD_API, SECRET_DISCOVERY];
const GRACE_MS = 2000;
