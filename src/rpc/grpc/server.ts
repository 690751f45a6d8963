import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { GrpcHandler } from "./call.ts";
import { GrpcConnection } from "./connection.ts";
import type { GrpcHost } from "./host.ts";
import * as limits from "./limits.ts";

export interface SocketGrpcServerOptions<C> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Connections open at a time, default `MAX_CONNECTIONS`; more are closed at once. */
  readonly maxConnections?: number;
  /** A call of this connection was refused before it was read, as it asked for too much; said as often as it happens. */
  readonly onUnread?: (context: C, error: Error) => void;
}

export interface GrpcShutdownParams {
  /** What open and new calls end with; default `unavailable`. */
  readonly status?: AssayError;
  /** After so long connections that have not ended are destroyed. */
  readonly graceMs: number;
}

/**
 * gRPC for sockets that someone else listens on: the Workload API's Unix socket. `C` is what the owner knows of a
 * connection (the peer). Message framing, deadlines, cancellation and bounds are here, messages' meaning is in the
 * handlers.
 */
export class SocketGrpcServer<C> implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #maxConnections: number;
  readonly #routes = new Map<string, GrpcHandler<C>>();
  readonly #connections = new Map<Socket, GrpcConnection<C>>();
  readonly #host: GrpcHost<C> & { sweep: number };
  #cancelSweep: (() => void) | undefined;
  #closing: AssayError | undefined;
  readonly #emptied = Promise.withResolvers<void>();

  constructor(options: SocketGrpcServerOptions<C>) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#maxConnections = options.maxConnections ?? limits.MAX_CONNECTIONS;
    this.#host = {
      clock: this.#clock,
      logger: this.#logger,
      routes: this.#routes,
      onUnread: options.onUnread,
      sweep: 0,
    };
  }

  /** Open connections, those that have not said anything yet included. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Serves `/package.Service/Method` with `handler`; TypeError when it is served already. */
  route(path: string, handler: GrpcHandler<C>): void {
    if (this.#routes.has(path)) throw new TypeError(`${path} is routed already`);
    this.#routes.set(path, handler);
  }

  /** Takes over an accepted socket, which nobody has read from. */
  attach(socket: Socket, context: C): void {
    if (this.#closing !== undefined || this.#connections.size >= this.#maxConnections) {
      socket.destroy();
      return;
    }
    socket.on("error", ignore);
    this.#connections.set(socket, new GrpcConnection(this.#host, socket, context));
    socket.once("close", () => this.#forget(socket));
    this.#armSweep();
  }

  /** Ends every call, then every connection with GOAWAY; resolves when all are gone. */
  async shutdown(params: GrpcShutdownParams): Promise<void> {
    this.#closing ??= params.status ?? fail("unavailable", "the server is shutting down");
    for (const connection of this.#connections.values()) connection.shutdown(this.#closing);
    if (this.#connections.size === 0) return;
    const cancel = this.#clock.after(params.graceMs, () => {
      for (const socket of this.#connections.keys()) socket.destroy();
    });
    await this.#emptied.promise;
    cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown({ graceMs: limits.DISPOSE_GRACE_MS });
  }

  #forget(socket: Socket): void {
    this.#connections.delete(socket);
    if (this.#connections.size > 0) return;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    if (this.#closing !== undefined) this.#emptied.resolve();
  }

  /** One timer looks after all connections while there are any. */
  #armSweep(): void {
    this.#cancelSweep ??= this.#clock.after(limits.SWEEP_EVERY_MS, () => {
      this.#cancelSweep = undefined;
      this.#host.sweep++;
      for (const connection of this.#connections.values()) connection.check();
      if (this.#connections.size > 0) this.#armSweep();
    });
  }
}

/** A reset connection closes, which is all there is to know. */
function ignore(): void {}
