import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { type AssayError, fail } from "../../base/errors.ts";
import { acceptCall } from "./accept-call.ts";
import type { CallOwner, H2Host } from "./host.ts";
import { HeldFrames } from "./held-frames.ts";
import { STALLED_SWEEPS } from "./limits.ts";
import type { RequestBudget } from "./request-reader.ts";
import { StreamCall } from "./stream-call.ts";

/** One accepted connection with its HTTP/2 session, open calls and what is held for its client. */
export class H2Connection<C> implements CallOwner<C> {
  readonly host: H2Host<C>;
  readonly context: C;
  readonly budget: RequestBudget = { requestBytes: 0 };
  readonly #session: ServerHttp2Session;
  readonly #calls = new Set<StreamCall<C>>();
  readonly #held = new HeldFrames();
  #progressAt = 0;
  #closing: AssayError | undefined;

  constructor(host: H2Host<C>, session: ServerHttp2Session, context: C) {
    this.host = host;
    this.context = context;
    this.#session = session;
    session.on("stream", (stream, headers, _flags, rawHeaders: unknown) =>
      this.#open(stream, headers, rawHeaders as readonly string[]),
    );
    session.on("error", (error: Error) =>
      host.logger.debug("connection of a workload failed", { error }),
    );
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
    let stuck = this.#held.bytes > 0 && now - this.#progressAt > STALLED_SWEEPS;
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

  #open(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): void {
    // The client may have reset the stream in the same breath.
    if (stream.destroyed || stream.closed) return;
    const accepted = acceptCall(stream, headers);
    if (accepted === undefined) return;
    const { path, timeoutMs } = accepted;
    const call = new StreamCall({
      owner: this,
      stream,
      path,
      rawHeaders,
      timeoutMs: timeoutMs === "malformed" ? undefined : timeoutMs,
    });
    this.#calls.add(call);
    const handler = this.host.routes.get(path);
    if (this.#closing !== undefined) call.end(this.#closing);
    else if (timeoutMs === "malformed") call.end(fail("invalid", "grpc-timeout is malformed"));
    else if (handler === undefined) call.end(UNKNOWN_METHOD);
    else void call.serve(handler);
  }
}

const UNKNOWN_METHOD = fail("unsupported", "this socket does not serve the method");
