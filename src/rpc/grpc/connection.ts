import type { Duplex } from "node:stream";
import { type AssayError, fail } from "../../base/errors.ts";
import { type ConnectionViolation, ENHANCE_YOUR_CALM } from "../http2/error-code.ts";
import { Http2Session } from "../http2/session.ts";
import type { SessionLimits, SessionOwner } from "../http2/session-contract.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { OVERSIZED, acceptCall, isOversized } from "./accept-call.ts";
import type { CallOwner, GrpcHost } from "./host.ts";
import { HeldFrames } from "./held-frames.ts";
import * as limits from "./limits.ts";
import type { RequestBudget } from "./request-reader.ts";
import { StreamCall } from "./stream-call.ts";

/** One accepted connection with its HTTP/2 session, open calls and what is held for its client. */
export class GrpcConnection<C> implements CallOwner<C>, SessionOwner {
  readonly host: GrpcHost<C>;
  readonly context: C;
  readonly budget: RequestBudget = { requestBytes: 0 };
  readonly #session: Http2Session;
  readonly #calls = new Set<StreamCall<C>>();
  readonly #held = new HeldFrames();
  #progressAt = 0;
  #closing: AssayError | undefined;
  #cancelSilence: (() => void) | undefined;

  constructor(host: GrpcHost<C>, socket: Duplex, context: C) {
    this.host = host;
    this.context = context;
    this.#session = new Http2Session(socket, this, SESSION_LIMITS);
    this.#cancelSilence = host.clock.after(limits.FIRST_HEADERS_WITHIN_MS, () => this.destroy());
  }

  /** Counts a frame as held for the client; false when that would be more than the bound. */
  hold(frame: Uint8Array): boolean {
    if (this.#held.bytes === 0) this.progress();
    return this.#held.add(frame);
  }

  release(frame: Uint8Array): void {
    this.#held.remove(frame);
  }

  /** The client has taken something. */
  progress(): void {
    this.#progressAt = this.host.sweep;
  }

  forget(call: object): void {
    this.#calls.delete(call as StreamCall<C>);
    if (this.#closing !== undefined && this.#calls.size === 0) this.#session.close();
  }

  /** Ends overdue requests; destroys the connection when it holds something and nothing moves. */
  check(): void {
    const now = this.host.sweep;
    this.#session.check();
    let stuck = this.#held.bytes > 0 && now - this.#progressAt > limits.STALLED_SWEEPS;
    for (const call of this.#calls) stuck = call.isStuck(now) || stuck;
    if (!stuck) return;
    this.host.logger.info("closed a connection whose client does not read");
    this.#session.destroy();
  }

  /** Ends every call with `status`, and the connection with GOAWAY once they are through. */
  shutdown(status: AssayError): void {
    if (this.#closing !== undefined) return;
    this.#closing = status;
    for (const call of this.#calls) call.end(status);
    if (this.#calls.size === 0) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  onViolation(error: Error): void {
    this.host.logger.debug("connection of a workload failed", { error });
    const { code } = error as Partial<ConnectionViolation>;
    if (code === ENHANCE_YOUR_CALM) this.host.onUnread?.(this.context, error);
  }

  onClose(): void {
    this.#heard();
  }

  onStream(stream: Http2Stream): Promise<void> | undefined {
    this.#heard();
    const accepted = acceptCall(stream);
    if (accepted === undefined) {
      if (isOversized(stream)) this.host.onUnread?.(this.context, OVERSIZED);
      return undefined;
    }
    const { path, timeoutMs } = accepted;
    const call = new StreamCall({
      owner: this,
      stream,
      path,
      timeoutMs: timeoutMs === "malformed" ? undefined : timeoutMs,
    });
    this.#calls.add(call);
    const handler = this.host.routes.get(path);
    if (this.#closing !== undefined) call.end(this.#closing);
    else if (timeoutMs === "malformed") call.end(fail("invalid", "grpc-timeout is malformed"));
    else if (handler === undefined) call.end(UNKNOWN_METHOD);
    else return call.serve(handler);
    return undefined;
  }

  #heard(): void {
    this.#cancelSilence?.();
    this.#cancelSilence = undefined;
  }
}

const SESSION_LIMITS: SessionLimits = {
  maxStreams: limits.MAX_STREAMS_PER_CONNECTION,
  maxHeaderListBytes: limits.MAX_HEADER_LIST_BYTES,
  maxHeaders: limits.MAX_HEADERS,
  streamWindow: limits.STREAM_WINDOW_BYTES,
  connectionWindow: limits.CONNECTION_WINDOW_BYTES,
  maxResets: limits.MAX_RESETS_PER_SWEEP,
};

const UNKNOWN_METHOD = fail("unsupported", "this socket does not serve the method");
