import type { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import { serviceDefinition } from "./protos.ts";
import { requestIdOf } from "./request-id.ts";
import type { ServerCall } from "./server-call.ts";
import {
  type ConnectionHost,
  type Route,
  SWEEP_MS,
  ServerConnection,
} from "./server-connection.ts";
import type { Gate, ServiceImplementation, StreamHandler, UnaryHandler } from "./service.ts";
import { STATUS_CODES, toStatus } from "./status.ts";
import { listenOnSocketFile } from "./unix-listener.ts";

export interface GrpcServerOptions {
  readonly logger: Logger;
  /** Largest request message, decompressed; `DEFAULT_MAX_MESSAGE_BYTES` unless given. */
  readonly maxMessageBytes?: number;
  /** For deadlines, idle connections and PINGs; real time unless given, since clients outside wait for no other. */
  readonly clock?: Clock;
}

export interface ListenUnixOptions {
  /** Of the socket file, such as 0o600. */
  readonly mode: number;
  /** Of its directory if that is missing; 0o755 unless given. */
  readonly directoryMode?: number;
}

/** gRPC for the server's API: the connections come from outside (`inject`) or from a Unix socket. */
export class GrpcServer implements AsyncDisposable {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #routes = new Map<string, Route>();
  readonly #listeners = new Set<NetServer>();
  readonly #connections = new Set<ServerConnection>();
  readonly #calls = new Set<ServerCall>();
  readonly #emptied = Promise.withResolvers<void>();
  readonly #host: ConnectionHost;
  #gate: Gate = refuseEveryone;
  #down: Promise<void> | undefined;
  #cancelSweep: (() => void) | undefined;

  constructor(options: GrpcServerOptions) {
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#host = {
      clock: this.#clock,
      logger: this.#logger,
      maxMessageBytes: options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
      route: (path) => this.#routes.get(path),
      serve: (call, route) => this.#begin(call, route),
    };
  }

  /** Methods of the service that `implementation` lacks answer UNIMPLEMENTED. Throws TypeError on a method it should not have. */
  addService(fullName: string, implementation: ServiceImplementation): void {
    const methods = serviceDefinition(fullName);
    for (const name of Object.keys(implementation)) {
      if (methods[name] === undefined) throw new TypeError(`${fullName} has no method ${name}`);
    }
    for (const method of Object.values(methods)) {
      this.#routes.set(method.path, { method, handler: implementation[method.name] });
    }
  }

  /** Until a gate is set, every call is refused. */
  setGate(gate: Gate): void {
    this.#gate = gate;
  }

  /** Serves a connection that speaks HTTP/2 from its first byte on; `label` is what its calls have as `peer`. */
  inject(socket: Duplex, label: string): void {
    socket.on("error", (error) => this.#logger.debug("connection failed", { peer: label, error }));
    if (this.#down !== undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    this.#connections.add(
      new ServerConnection(this.#host, socket, label, (closed) => this.#forget(closed)),
    );
    this.#armSweep();
  }

  /** Throws `precondition` when a live server answers on `path`; replaces a socket file on which nobody does. */
  async listenUnix(path: string, options: ListenUnixOptions): Promise<void> {
    const listener = await listenOnSocketFile({ path, ...options });
    this.#listeners.add(listener);
    listener.maxConnections = MAX_UNIX_CONNECTIONS;
    listener.on("error", (error) => this.#logger.warn("listener failed", { path, error }));
    listener.on("connection", (socket) => this.inject(socket, "unix"));
  }

  /** No new connections or calls; those under way have `graceMs`, then they are cut off. */
  shutdown(graceMs: number): Promise<void> {
    this.#down ??= this.#shutdown(graceMs);
    return this.#down;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown(0);
  }

  async #shutdown(graceMs: number): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#connections) connection.close();
    if (this.#connections.size === 0) this.#emptied.resolve();
    const done = this.#emptied.promise;
    await Promise.race([done, realTime(graceMs)]);
    // UNAVAILABLE lets every client try again elsewhere; a connection cut under a call looks like CANCELLED to some.
    const reason = fail("unavailable", SHUTTING_DOWN);
    for (const call of this.#calls) call.cut(toStatus(reason, this.#logger), reason);
    if (this.#calls.size > 0) await Promise.race([done, realTime(FLUSH_MS)]);
    for (const connection of this.#connections) connection.destroy();
  }

  #forget(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    if (this.#down !== undefined) this.#emptied.resolve();
  }

  #armSweep(): void {
    this.#cancelSweep ??= this.#clock.after(SWEEP_MS, () => {
      this.#cancelSweep = undefined;
      for (const connection of this.#connections) connection.check();
      if (this.#connections.size > 0) this.#armSweep();
    });
  }

  async #begin(call: ServerCall, route: Route): Promise<void> {
    if (this.#down === undefined) await this.#serve(call, route);
    else call.endWith({ code: STATUS_CODES.unavailable, message: SHUTTING_DOWN });
  }

  async #serve(call: ServerCall, { method, handler }: Route): Promise<void> {
    this.#calls.add(call);
    try {
      await this.#gate(method.path, call);
      if (handler === undefined) throw fail("unsupported", `${method.path} is not offered here`);
      if (method.requestStream || method.responseStream) {
        await (handler as StreamHandler<object, object>)(call);
        call.end();
      } else {
        const request = await call.request();
        call.finish(await (handler as UnaryHandler<object, object>)(request, call));
      }
    } catch (thrown) {
      call.endWith(
        toStatus(thrown, this.#logger.child({ method: method.path, requestId: requestIdOf(call) })),
      );
    } finally {
      this.#calls.delete(call);
    }
  }
}

async function refuseEveryone(): Promise<void> {
  throw fail("unavailable", "the server is starting");
}

/** Real time by purpose: connections outside do not wait for an injected clock. */
function realTime(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    AbortSignal.timeout(delayMs).addEventListener("abort", () => resolve(), { once: true });
  });
}

/** 4 MiB, the default of every gRPC implementation. */
export const DEFAULT_MAX_MESSAGE_BYTES = 4 << 20;

const MAX_UNIX_CONNECTIONS = 1024;
const FLUSH_MS = 500;
const SHUTTING_DOWN = "the server is shutting down";
