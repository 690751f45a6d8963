import { type ServerOptions, performServerHandshake } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import { sniffAuthority } from "./authority/sniff.ts";
import type { H2Handler } from "./call.ts";
import { H2Connection } from "./connection.ts";
import type { H2Host } from "./host.ts";
import * as limits from "./limits.ts";

export interface H2GrpcServerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Connections open at a time, default `MAX_CONNECTIONS`; more are closed at once. */
  readonly maxConnections?: number;
}

export interface H2ShutdownParams {
  /** What open and new calls end with; default `unavailable`. */
  readonly status?: AssayError;
  /** After so long connections that have not ended are destroyed. */
  readonly graceMs: number;
}

/**
 * gRPC over node:http2 for sockets that someone else listens on: the Workload API's Unix socket. `C` is what the
 * owner knows of a connection (the peer). Message framing, deadlines, cancellation and bounds are here, messages'
 * meaning is in the handlers. grpc-java's illegal `:authority` is mended (see authority/).
 */
export class H2GrpcServer<C> implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #maxConnections: number;
  readonly #routes = new Map<string, H2Handler<C>>();
  /** By accepted socket; undefined until the first HEADERS are there. */
  readonly #connections = new Map<Socket, H2Connection<C> | undefined>();
  readonly #host: H2Host<C> & { sweep: number };
  #cancelSweep: (() => void) | undefined;
  #closing: AssayError | undefined;
  readonly #emptied = Promise.withResolvers<void>();

  constructor(options: H2GrpcServerOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#maxConnections = options.maxConnections ?? limits.MAX_CONNECTIONS;
    this.#host = { clock: this.#clock, logger: this.#logger, routes: this.#routes, sweep: 0 };
  }

  /** Open connections, those that have not said anything yet included. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Serves `/package.Service/Method` with `handler`; TypeError when it is served already. */
  route(path: string, handler: H2Handler<C>): void {
    if (this.#routes.has(path)) throw new TypeError(`${path} is routed already`);
    this.#routes.set(path, handler);
  }

  /** Takes over an accepted socket, which nobody has read from. */
  attach(socket: Socket, context: C): void {
    if (this.#closing !== undefined || this.#connections.size >= this.#maxConnections) {
      socket.destroy();
      return;
    }
    this.#connections.set(socket, undefined);
    socket.once("close", () => this.#forget(socket));
    this.#armSweep();
    sniffAuthority(socket, {
      clock: this.#clock,
      withinMs: limits.FIRST_HEADERS_WITHIN_MS,
      onStream: (stream) => this.#open(socket, stream, context),
    });
  }

  /** Ends every call, then every connection with GOAWAY; resolves when all are gone. */
  async shutdown(params: H2ShutdownParams): Promise<void> {
    this.#closing ??= params.status ?? fail("unavailable", "the server is shutting down");
    for (const [socket, connection] of this.#connections) {
      if (connection === undefined) socket.destroy();
      else connection.shutdown(this.#closing);
    }
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

  #open(socket: Socket, stream: Duplex, context: C): void {
    const session = performServerHandshake(stream, SESSION_OPTIONS);
    this.#connections.set(socket, new H2Connection(this.#host, session, context));
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
      for (const connection of this.#connections.values()) connection?.check();
      if (this.#connections.size > 0) this.#armSweep();
    });
  }
}

/** The settings and bounds of each HTTP/2 session. */
const SESSION_OPTIONS: ServerOptions = {
  maxSessionMemory: limits.MAX_SESSION_MEMORY_MB,
  maxHeaderListPairs: limits.MAX_HEADERS,
  maxSessionRejectedStreams: limits.MAX_REFUSED_STREAMS,
  streamResetBurst: limits.STREAM_RESET_BURST,
  streamResetRate: limits.STREAM_RESETS_PER_SECOND,
  settings: {
    maxConcurrentStreams: limits.MAX_STREAMS_PER_CONNECTION,
    maxHeaderListSize: limits.MAX_HEADER_LIST_BYTES,
  },
};
