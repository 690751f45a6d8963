import type {
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
  ServerOptions,
} from "node:http2";
import { performServerHandshake } from "node:http2";
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../observe/logger.ts";
import { acceptCall } from "./h2/accept-call.ts";
import { MAX_HEADERS, MAX_HEADER_LIST_BYTES } from "./h2/limits.ts";
import type { RequestBudget } from "./h2/request-reader.ts";
import type { RpcMethod } from "./protos.ts";
import { ServerCall } from "./server-call.ts";
import type { ServiceImplementation } from "./service.ts";
import { STATUS_CODES } from "./status.ts";

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxMessageBytes: number;
  /** Undefined for a path that nothing was registered for. */
  route(path: string): Route | undefined;
  serve(call: ServerCall, route: Route): void;
}

export interface Route {
  readonly method: RpcMethod;
  /** Missing when the method is known and not offered. */
  readonly handler: ServiceImplementation[string];
}

/** One accepted connection with its HTTP/2 session. */
export class ServerConnection {
  readonly #host: ConnectionHost;
  readonly #label: string;
  readonly #session: ServerHttp2Session;
  readonly #budget: RequestBudget = { requestBytes: 0 };
  readonly #calls = new Set<ServerCall>();
  #streams = 0;
  #sweep = 0;
  #idleSweeps = 0;
  #sweepsToPing = PING_SWEEPS;
  #pinged = false;

  constructor(host: ConnectionHost, socket: Duplex, label: string) {
    this.#host = host;
    this.#label = label;
    this.#session = performServerHandshake(socket, SESSION_OPTIONS);
    this.#session.on("stream", (stream, headers, _flags, rawHeaders: unknown) =>
      this.#open(stream, headers, rawHeaders as readonly string[]),
    );
    this.#session.on("error", (error: Error) =>
      host.logger.debug("connection failed", { peer: label, error }),
    );
  }

  onClose(listener: () => void): void {
    this.#session.once("close", listener);
  }

  /** GOAWAY; streams under way may end. */
  close(): void {
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  /**
   * Looked at each `SWEEP_MS`: ends calls whose request does not get whole, closes a connection without calls, and one
   * whose client does not answer a PING.
   */
  check(): void {
    if (this.#session.destroyed) return;
    this.#sweep += 1;
    for (const call of this.#calls) call.check(this.#sweep);
    this.#idleSweeps = this.#streams > 0 ? 0 : this.#idleSweeps + 1;
    if (this.#idleSweeps >= IDLE_SWEEPS) return this.close();
    this.#sweepsToPing -= 1;
    if (this.#sweepsToPing > 0) return;
    if (this.#pinged) {
      this.#host.logger.debug("closed a connection that answers no PING", { peer: this.#label });
      this.destroy();
      return;
    }
    this.#ping();
  }

  #ping(): void {
    this.#pinged = true;
    this.#sweepsToPing = PING_ANSWER_SWEEPS;
    this.#session.ping((error: Error | null) => {
      if (error !== null) return;
      this.#pinged = false;
      this.#sweepsToPing = PING_SWEEPS;
    });
  }

  #open(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): void {
    // The client may have reset the stream in the same breath.
    if (stream.destroyed || stream.closed) return;
    this.#streams += 1;
    stream.once("close", () => {
      this.#streams -= 1;
    });
    const accepted = acceptCall(stream, headers);
    if (accepted === undefined) return;
    const { path, timeoutMs } = accepted;
    const route = this.#host.route(path);
    const call = new ServerCall({
      stream,
      types: route?.method ?? NO_METHOD,
      peer: this.#label,
      rawHeaders,
      clock: this.#host.clock,
      timeoutMs: timeoutMs === "malformed" ? undefined : timeoutMs,
      budget: this.#budget,
      maxMessageBytes: this.#host.maxMessageBytes,
      sweep: () => this.#sweep,
    });
    this.#calls.add(call);
    stream.once("close", () => this.#calls.delete(call));
    if (timeoutMs === "malformed") call.endWith(BAD_TIMEOUT);
    else if (route === undefined) call.endWith(UNKNOWN_METHOD);
    else this.#host.serve(call, route);
  }
}

const MAX_STREAMS_PER_CONNECTION = 256;

const SESSION_OPTIONS: ServerOptions = {
  // An answer of many MB counts while the client takes it; above this, new streams are refused.
  maxSessionMemory: 256,
  maxHeaderListPairs: MAX_HEADERS,
  settings: {
    maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION,
    maxHeaderListSize: MAX_HEADER_LIST_BYTES,
  },
};

/** One timer looks after all connections of a server. */
export const SWEEP_MS = 5_000;
/** Ten minutes without a call. */
const IDLE_SWEEPS = 600_000 / SWEEP_MS;
const PING_SWEEPS = 60_000 / SWEEP_MS;
const PING_ANSWER_SWEEPS = 20_000 / SWEEP_MS;

const UNKNOWN_METHOD = { code: STATUS_CODES.unsupported, message: "the method is not known here" };
/** INTERNAL is what the other gRPC servers say. */
const BAD_TIMEOUT = { code: STATUS_CODES.internal, message: "grpc-timeout is malformed" };
const NO_CODEC = { encode: () => new Uint8Array(0), decode: () => ({}) };
/** A call to nowhere ends before any of this is looked at. */
const NO_METHOD: RpcMethod = {
  name: "",
  path: "",
  requestStream: false,
  responseStream: false,
  request: NO_CODEC,
  response: NO_CODEC,
};
