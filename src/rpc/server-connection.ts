import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../observe/logger.ts";
import { acceptCall } from "./grpc/accept-call.ts";
import { MAX_HEADERS, MAX_HEADER_LIST_BYTES, STALLED_SWEEPS } from "./grpc/limits.ts";
import { Http2Session } from "./http2/session.ts";
import type { SessionLimits, SessionOwner } from "./http2/session-contract.ts";
import type { Http2Stream } from "./http2/stream.ts";
import type { RequestBudget } from "./grpc/request-reader.ts";
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
  /** Resolves when the handler has returned. */
  serve(call: ServerCall, route: Route): Promise<void>;
}

export interface Route {
  readonly method: RpcMethod;
  /** Missing when the method is known and not offered. */
  readonly handler: ServiceImplementation[string];
}

/** One accepted connection with its HTTP/2 session. */
export class ServerConnection implements SessionOwner {
  readonly #host: ConnectionHost;
  readonly #label: string;
  readonly #onClosed: (connection: ServerConnection) => void;
  readonly #session: Http2Session;
  readonly #budget: RequestBudget = { requestBytes: 0 };
  readonly #calls = new Set<ServerCall>();
  #sweep = 0;
  #idleSweeps = 0;
  #sweepsToPing = PING_SWEEPS;
  #pinged = false;
  #sentBytes = 0;
  #stalledSweeps = 0;

  /** @param onClosed runs when the socket is closed */
  constructor(
    host: ConnectionHost,
    socket: Duplex,
    label: string,
    onClosed: (connection: ServerConnection) => void,
  ) {
    this.#host = host;
    this.#label = label;
    this.#onClosed = onClosed;
    this.#session = new Http2Session(socket, this, SESSION_LIMITS);
  }

  onViolation(error: Error): void {
    this.#host.logger.debug("connection failed", { peer: this.#label, error });
  }

  onClose(): void {
    this.#onClosed(this);
  }

  /** GOAWAY; streams under way may end. */
  close(): void {
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  /**
   * Looked at each `SWEEP_MS`: ends calls whose request does not get whole, closes a connection without calls, and one
   * whose client does not answer a PING.
   */
  check(): void {
    this.#session.check();
    if (this.#isStalled()) {
      this.#host.logger.info("closed a connection whose client does not read", {
        peer: this.#label,
      });
      return this.destroy();
    }
    if (this.#session.closing) return;
    this.#sweep += 1;
    if (!this.#session.begun) {
      if (this.#sweep >= PREFACE_SWEEPS) this.destroy();
      return;
    }
    for (const call of this.#calls) call.check(this.#sweep);
    this.#idleSweeps = this.#session.streams > 0 ? 0 : this.#idleSweeps + 1;
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

  /** Answers wait, and the client has taken nothing for a while. */
  #isStalled(): boolean {
    const { queuedBytes, sentBytes } = this.#session;
    const moves = queuedBytes === 0 || sentBytes !== this.#sentBytes;
    this.#sentBytes = sentBytes;
    this.#stalledSweeps = moves ? 0 : this.#stalledSweeps + 1;
    return this.#stalledSweeps > STALLED_SWEEPS;
  }

  #ping(): void {
    this.#pinged = true;
    this.#sweepsToPing = PING_ANSWER_SWEEPS;
    this.#session.ping(() => {
      this.#pinged = false;
      this.#sweepsToPing = PING_SWEEPS;
    });
  }

  onStream(stream: Http2Stream): Promise<void> | undefined {
    const accepted = acceptCall(stream);
    if (accepted === undefined) return undefined;
    const { path, timeoutMs } = accepted;
    const route = this.#host.route(path);
    const call = new ServerCall({
      stream,
      types: route?.method ?? NO_METHOD,
      peer: this.#label,
      clock: this.#host.clock,
      timeoutMs: timeoutMs === "malformed" ? undefined : timeoutMs,
      budget: this.#budget,
      maxMessageBytes: this.#host.maxMessageBytes,
      sweep: () => this.#sweep,
      queuedBytes: () => this.#session.queuedBytes,
    });
    this.#calls.add(call);
    stream.onClose(() => this.#calls.delete(call));
    if (timeoutMs === "malformed") call.endWith(BAD_TIMEOUT);
    else if (route === undefined) call.endWith(UNKNOWN_METHOD);
    else return this.#host.serve(call, route);
    return undefined;
  }
}

const MAX_STREAMS_PER_CONNECTION = 256;

const SESSION_LIMITS: SessionLimits = {
  maxStreams: MAX_STREAMS_PER_CONNECTION,
  maxHeaderListBytes: MAX_HEADER_LIST_BYTES,
  maxHeaders: MAX_HEADERS,
  // Batches of entries have megabytes, and an agent may be far away.
  streamWindow: 1 << 20,
  connectionWindow: 4 << 20,
  maxResets: 10_000,
};

/** One timer looks after all connections of a server. */
export const SWEEP_MS = 5_000;
/** Ten minutes without a call. */
const IDLE_SWEEPS = 600_000 / SWEEP_MS;
/** Ten seconds and more for the first bytes of HTTP/2. */
const PREFACE_SWEEPS = 3;
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
