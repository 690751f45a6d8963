import type { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type handleBidiStreamingCall,
} from "@grpc/grpc-js";
import { fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import { type RpcMethod, serviceDefinition } from "./protos.ts";
import { requestIdOf } from "./request-id.ts";
import { ServerCall } from "./server-call.ts";
import type { Gate, ServiceImplementation, StreamHandler, UnaryHandler } from "./service.ts";
import { toStatus } from "./status.ts";
import { listenOnSocketFile } from "./unix-listener.ts";

export interface GrpcServerOptions {
  readonly logger: Logger;
  /** Largest request message, decompressed; `DEFAULT_MAX_MESSAGE_BYTES` unless given. */
  readonly maxMessageBytes?: number;
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
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #listeners = new Set<NetServer>();
  readonly #calls = new Set<ServerCall>();
  #gate: Gate = refuseEveryone;
  #down: Promise<void> | undefined;

  constructor(options: GrpcServerOptions) {
    this.#logger = options.logger;
    this.#server = new Server({
      "grpc.max_receive_message_length": options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_RESPONSE_BYTES,
      "grpc.max_concurrent_streams": MAX_STREAMS_PER_CONNECTION,
      "grpc.max_connection_idle_ms": MAX_CONNECTION_IDLE_MS,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.enable_channelz": 0,
    });
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Methods of the service that `implementation` lacks answer UNIMPLEMENTED. Throws TypeError on a method it should not have. */
  addService(fullName: string, implementation: ServiceImplementation): void {
    const methods = serviceDefinition(fullName);
    for (const name of Object.keys(implementation)) {
      if (methods[name] === undefined) throw new TypeError(`${fullName} has no method ${name}`);
    }
    for (const method of Object.values(methods)) {
      const handler = implementation[method.name];
      const serve: handleBidiStreamingCall<Uint8Array, Uint8Array> = (stream) => {
        void this.#serve(new ServerCall(stream, method), method, handler);
      };
      this.#server.register(method.path, serve, asBytes, asBytes, "bidi");
    }
  }

  /** Until a gate is set, every call is refused. */
  setGate(gate: Gate): void {
    this.#gate = gate;
  }

  /** Serves a connection that speaks HTTP/2 from its first byte on; `label` is what its calls have as `peer`. */
  inject(socket: Duplex, label: string): void {
    // grpc-js names a peer by these two properties of the socket: own ones win over what the socket says.
    Object.defineProperties(socket, {
      remoteAddress: { value: label, configurable: true },
      remotePort: { value: undefined, configurable: true },
    });
    socket.on("error", (error) => this.#logger.debug("connection failed", { peer: label, error }));
    if (this.#down !== undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    this.#injector.injectConnection(socket);
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
    const done = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    await Promise.race([done, realTime(graceMs)]);
    // UNAVAILABLE lets every client try again elsewhere; a connection cut under a call looks like CANCELLED to some.
    const reason = fail("unavailable", "the server is shutting down");
    for (const call of this.#calls) call.cut(toStatus(reason, this.#logger), reason);
    if (this.#calls.size > 0) await Promise.race([done, realTime(FLUSH_MS)]);
    this.#server.forceShutdown();
  }

  async #serve(
    call: ServerCall,
    method: RpcMethod,
    handler: ServiceImplementation[string],
  ): Promise<void> {
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

function asBytes(bytes: Uint8Array): Buffer {
  return bytes as Buffer;
}

/** 4 MiB, the default of every gRPC implementation. */
export const DEFAULT_MAX_MESSAGE_BYTES = 4 << 20;

/** An agent's whole registry in one answer: 100,000 entries of some 600 bytes. */
const MAX_RESPONSE_BYTES = 64 << 20;
const MAX_STREAMS_PER_CONNECTION = 256;
const MAX_UNIX_CONNECTIONS = 1024;
const MAX_CONNECTION_IDLE_MS = 10 * 60_000;
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
const FLUSH_MS = 500;
