import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { Sender } from "../http2/output.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { type WireStatus, toStatus } from "../status.ts";
import type { GrpcCall, GrpcHandler } from "./call.ts";
import { isFrame } from "./frame.ts";
import type { CallOwner } from "./host.ts";
import { MAX_RESPONSE_BYTES, REQUEST_SWEEPS, STALLED_SWEEPS } from "./limits.ts";
import { headerValues } from "./request-headers.ts";
import { RequestReader } from "./request-reader.ts";
import { OK_TRAILERS, RESPONSE_HEADERS, statusAlone, statusTrailers } from "./status-headers.ts";

/**
 * One call on one HTTP/2 stream: open (headers not sent), streaming, ending (last frame and trailers on their way),
 * closed. Made for each request, so everything that a plain fetch does not need is made when first asked for.
 */
export class StreamCall<C> implements GrpcCall<C>, Sender {
  readonly path: string;
  readonly deadline: number | undefined;
  readonly #owner: CallOwner<C>;
  readonly #stream: Http2Stream;
  #state: "open" | "streaming" | "ending" | "closed" = "open";
  #inFlight: Uint8Array | undefined;
  #waiting: Uint8Array | undefined;
  #waitingUntilMs = Number.POSITIVE_INFINITY;
  #reader: RequestReader | undefined;
  #abort: AbortController | undefined;
  #onEnd: ((reason: AssayError) => void)[] = [];
  #onFlush: FlushWaiter[] = [];
  #over: AssayError | undefined;
  #cancelTimer: (() => void) | undefined;
  #endingSince = 0;

  constructor(params: StreamCallParams<C>) {
    this.path = params.path;
    this.#owner = params.owner;
    this.#stream = params.stream;
    if (params.timeoutMs !== undefined) {
      const { clock } = params.owner.host;
      this.deadline = clock.nowMs() + params.timeoutMs;
      this.#cancelTimer = clock.after(params.timeoutMs, () =>
        this.end(fail("deadline", "the call's deadline has passed")),
      );
    }
    params.stream.onClose(() => this.#closed());
  }

  get context(): C {
    return this.#owner.context;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#over !== undefined) this.#abort.abort(this.#over);
    }
    return this.#abort.signal;
  }

  onEnd(listener: (reason: AssayError) => void): void {
    if (this.#over === undefined) this.#onEnd.push(listener);
    else listener(this.#over);
  }

  get requests(): AsyncIterable<Uint8Array> {
    return this.#read(false).all();
  }

  request(): Promise<Uint8Array> {
    return this.#read(true).one();
  }

  metadata(name: string): readonly string[] {
    return headerValues(this.#stream.fields, name);
  }

  send(frame: Uint8Array, untilMs = Number.POSITIVE_INFINITY): boolean {
    if (!isFrame(frame)) throw new TypeError("send takes a frame made by encodeFrame");
    if (frame.length > MAX_RESPONSE_BYTES) {
      throw fail("limited", `a response has at most ${MAX_RESPONSE_BYTES} bytes`);
    }
    if (this.#state !== "open" && this.#state !== "streaming") return false;
    if (this.#inFlight === undefined) return this.#write(frame);
    this.#wait(frame, untilMs);
    return false;
  }

  flushed(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) reject(this.#over);
      else if (this.#inFlight === undefined) resolve();
      else this.#onFlush.push({ resolve, reject });
    });
  }

  /** Runs the handler and ends the call with its outcome. */
  async serve(handler: GrpcHandler<C>): Promise<void> {
    try {
      await handler(this);
      this.end(undefined);
    } catch (thrown) {
      this.end(errorFrom(thrown));
    }
  }

  /** Ends the call with OK (undefined) or the error's status; what it still holds for the client goes out first. */
  end(error: AssayError | undefined): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    const open = this.#state === "open";
    this.#state = "ending";
    this.#endingSince = this.#owner.host.sweep;
    this.#settle(error ?? ENDED);
    const stream = this.#stream;
    if (stream.closed) return;
    this.#dropOutdated();
    const status = error === undefined ? OK : this.#statusOf(error);
    if (open) {
      stream.respondAndEnd(statusAlone(status));
    } else {
      if (this.#waiting !== undefined) stream.write(this.#waiting);
      stream.end(error === undefined ? OK_TRAILERS : statusTrailers(status));
    }
    if (!stream.remoteEnded) stream.discard();
  }

  /** Looked at in each sweep: ends a call whose request does not get whole; true when its end is stuck. */
  isStuck(now: number): boolean {
    if (this.#state === "ending") {
      if (now - this.#endingSince <= STALLED_SWEEPS) return false;
      if (!this.#stream.finished) return true;
      // All is said, but the client keeps its own side open.
      this.#stream.reset();
      return false;
    }
    const since = this.#reader?.overdueSince(now);
    if (since !== undefined && now - since > REQUEST_SWEEPS) {
      this.end(fail("deadline", "the request message did not arrive in time"));
    }
    return false;
  }

  #statusOf(error: AssayError): WireStatus {
    // Clients of the Workload API take CANCELLED from a server for the end of the watch.
    const told =
      error.kind === "cancelled" ? fail("unavailable", "the call was ended by the server") : error;
    return toStatus(told, this.#owner.host.logger);
  }

  #read(single: boolean): RequestReader {
    if (this.#reader !== undefined) throw new TypeError("the requests of a call are read once");
    const { host, budget } = this.#owner;
    this.#reader = new RequestReader({ stream: this.#stream, budget, single, sweep: host.sweep });
    if (this.#over !== undefined) this.#reader.stop(this.#over);
    return this.#reader;
  }

  #write(frame: Uint8Array): boolean {
    if (this.#stream.closed) return false;
    if (!this.#owner.hold(frame)) return this.#refuse();
    if (this.#state === "open") {
      this.#state = "streaming";
      this.#stream.respond(RESPONSE_HEADERS);
    }
    this.#inFlight = frame;
    this.#stream.write(frame, this);
    return true;
  }

  #wait(frame: Uint8Array, untilMs: number): void {
    if (this.#waiting !== undefined) this.#owner.release(this.#waiting);
    this.#waiting = undefined;
    this.#waitingUntilMs = untilMs;
    if (this.#owner.hold(frame)) this.#waiting = frame;
    else this.#refuse();
  }

  #dropOutdated(): void {
    if (this.#waiting === undefined) return;
    if (this.#waitingUntilMs > this.#owner.host.clock.nowMs()) return;
    this.#owner.release(this.#waiting);
    this.#waiting = undefined;
  }

  /** A view must not get lost in silence: the client comes back for it. */
  #refuse(): false {
    this.end(fail("unavailable", "the client reads its responses too slowly"));
    return false;
  }

  /** The socket has taken the frame. */
  sent(): void {
    if (this.#inFlight === undefined) return;
    this.#owner.release(this.#inFlight);
    this.#owner.progress();
    this.#inFlight = undefined;
    this.#dropOutdated();
    if (this.#waiting === undefined) {
      for (const { resolve } of this.#onFlush.splice(0)) resolve();
      return;
    }
    if (this.#state !== "streaming") return;
    const next = this.#waiting;
    this.#waiting = undefined;
    this.#owner.release(next);
    this.#write(next);
  }

  #closed(): void {
    const cut = this.#state === "open" || this.#state === "streaming";
    this.#state = "closed";
    if (this.#inFlight !== undefined) this.#owner.release(this.#inFlight);
    if (this.#waiting !== undefined) this.#owner.release(this.#waiting);
    this.#inFlight = undefined;
    this.#waiting = undefined;
    if (cut) this.#settle(CANCELLED);
    this.#owner.forget(this);
  }

  #settle(over: AssayError): void {
    this.#over = over;
    this.#cancelTimer?.();
    this.#reader?.stop(over);
    this.#abort?.abort(over);
    for (const { reject } of this.#onFlush.splice(0)) reject(over);
    const listeners = this.#onEnd;
    this.#onEnd = [];
    for (const listener of listeners) listener(over);
  }
}

interface FlushWaiter {
  readonly resolve: () => void;
  readonly reject: (over: AssayError) => void;
}

export interface StreamCallParams<C> {
  readonly owner: CallOwner<C>;
  readonly stream: Http2Stream;
  readonly path: string;
  readonly timeoutMs: number | undefined;
}

/** Made once: an error costs its stack, and a call that ends is nothing special. */
const ENDED = fail("cancelled", "the call has ended");
const CANCELLED = fail("cancelled", "the client has ended the call");
const OK: WireStatus = { code: 0, message: "" };
