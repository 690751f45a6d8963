import type { Server } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Logger, LogLevelSwitch } from "../../observe/logger.ts";
import { HEALTH_PARTS, serveHealthParts } from "../../rpc/grpc/health-parts.ts";
import { type HealthSource, serveHealth } from "../../rpc/grpc/health.ts";
import { serveReflection } from "../../rpc/grpc/reflection.ts";
import { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import { serveUnary } from "../../rpc/grpc/unary-service.ts";
import { loggerHandlers } from "../../rpc/logger-service.ts";
import { listenOnSocketFile } from "../../rpc/unix-listener.ts";
import {
  DELEGATED_IDENTITY,
  type DelegatedIdentityOptions,
  routeDelegatedIdentity,
} from "../delegated/service.ts";
import { type ExplainSource, explainHandlers } from "../explain/explain.ts";
import { PeerWatch } from "../peer/peer-watch.ts";
import { type Peer, trackPeer } from "../peer/peer.ts";
import { type DebugSource, debugHandlers } from "./debug.ts";

export interface AdminListenerOptions {
  readonly path: string;
  readonly health: HealthSource;
  readonly debug: DebugSource;
  readonly explain: ExplainSource;
  readonly delegated: DelegatedIdentityOptions;
  readonly logLevel: LogLevelSwitch;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The agent's admin socket: for the user that runs it alone, and nothing that a workload needs for itself. */
export class AdminListener implements AsyncDisposable {
  readonly #server: SocketGrpcServer<Peer>;
  readonly #listener: Server;
  readonly #watch: PeerWatch;

  private constructor(
    server: SocketGrpcServer<Peer>,
    listener: Server,
    { path, logger: log, clock }: AdminListenerOptions,
  ) {
    this.#server = server;
    this.#listener = listener;
    this.#watch = new PeerWatch(clock);
    listener.maxConnections = MAX_CONNECTIONS;
    listener.on("error", (error) => log.warn("a connection was not accepted", { path, error }));
    listener.on("connection", (socket) => {
      socket.on("error", (error) => log.debug("connection of an administrator failed", { error }));
      // A delegate is attested; others are known by the socket's mode alone.
      const peer = trackPeer(socket);
      const forget = this.#watch.add(peer, () => socket.destroy());
      socket.once("close", () => {
        forget();
        peer.release();
      });
      server.attach(socket, peer);
    });
  }

  /** @throws precondition when another process answers on the path or it cannot be used */
  static async open(options: AdminListenerOptions): Promise<AdminListener> {
    const { path, health, debug, explain, delegated, logLevel, clock, logger } = options;
    const server = new SocketGrpcServer<Peer>({ clock, logger });
    serveUnary(server, DEBUG, { ...debugHandlers(debug) });
    serveUnary(server, EXPLAIN, { ...explainHandlers(explain) });
    serveUnary(server, LOGGER, { ...loggerHandlers(logLevel) });
    routeDelegatedIdentity(server, delegated);
    serveHealth(server, SERVICES, health);
    serveHealthParts(server, health.parts, () => true);
    serveReflection(server, [...SERVICES, "grpc.health.v1.Health", HEALTH_PARTS]);
    const listener = await listenOnSocketFile({ path, mode: 0o600, directoryMode: 0o700 });
    return new AdminListener(server, listener, options);
  }

  /** Takes no further connections, removes the socket file and lets calls under way end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    this.#listener.close();
    await this.#server.shutdown({
      status: fail("unavailable", "the agent is stopping"),
      graceMs: GRACE_MS,
    });
  }
}

const DEBUG = "spire.agent.debug.v1.Debug";
const EXPLAIN = "assay.explain.v1.Explain";
const LOGGER = "spire.api.agent.logger.v1.Logger";
const SERVICES = [DEBUG, EXPLAIN, LOGGER, DELEGATED_IDENTITY];
const MAX_CONNECTIONS = 64;
const GRACE_MS = 1000;
