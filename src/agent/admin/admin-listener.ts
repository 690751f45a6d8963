import type { Server } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Logger, LogLevelSwitch } from "../../observe/logger.ts";
import { HEALTH_PARTS, serveHealthParts } from "../../rpc/h2/health-parts.ts";
import { type HealthSource, serveHealth } from "../../rpc/h2/health.ts";
import { serveReflection } from "../../rpc/h2/reflection.ts";
import { H2GrpcServer } from "../../rpc/h2/server.ts";
import { serveUnary } from "../../rpc/h2/unary-service.ts";
import { loggerHandlers } from "../../rpc/logger-service.ts";
import { listenOnSocketFile } from "../../rpc/unix-listener.ts";
import { type ExplainSource, explainHandlers } from "../explain/explain.ts";
import { type DebugSource, debugHandlers } from "./debug.ts";

export interface AdminListenerOptions {
  readonly path: string;
  readonly health: HealthSource;
  readonly debug: DebugSource;
  readonly explain: ExplainSource;
  readonly logLevel: LogLevelSwitch;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The agent's admin socket: for the user that runs it alone, and nothing that a workload needs. */
export class AdminListener implements AsyncDisposable {
  readonly #server: H2GrpcServer<undefined>;
  readonly #listener: Server;

  private constructor(
    server: H2GrpcServer<undefined>,
    listener: Server,
    path: string,
    log: Logger,
  ) {
    this.#server = server;
    this.#listener = listener;
    listener.maxConnections = MAX_CONNECTIONS;
    listener.on("error", (error) => log.warn("a connection was not accepted", { path, error }));
    listener.on("connection", (socket) => {
      socket.on("error", (error) => log.debug("connection of an administrator failed", { error }));
      server.attach(socket, undefined);
    });
  }

  /** @throws precondition when another process answers on the path or it cannot be used */
  static async open(options: AdminListenerOptions): Promise<AdminListener> {
    const { path, health, debug, explain, logLevel, clock, logger } = options;
    const server = new H2GrpcServer<undefined>({ clock, logger });
    serveUnary(server, DEBUG, { ...debugHandlers(debug) });
    serveUnary(server, EXPLAIN, { ...explainHandlers(explain) });
    serveUnary(server, LOGGER, { ...loggerHandlers(logLevel) });
    serveHealth(server, SERVICES, health);
    serveHealthParts(server, health.parts, () => true);
    serveReflection(server, [...SERVICES, "grpc.health.v1.Health", HEALTH_PARTS]);
    const listener = await listenOnSocketFile({ path, mode: 0o600, directoryMode: 0o700 });
    return new AdminListener(server, listener, path, logger);
  }

  /** Takes no further connections, removes the socket file and lets calls under way end. */
  async [Symbol.asyncDispose](): Promise<void> {
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
const SERVICES = [DEBUG, EXPLAIN, LOGGER];
const MAX_CONNECTIONS = 64;
const GRACE_MS = 1000;
