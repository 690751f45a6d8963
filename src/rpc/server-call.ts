import type { Clock } from "../base/clock.ts";
import { type AssayError, fail } from "../base/errors.ts";
import { headerValues } from "./grpc/request-headers.ts";
import { REQUEST_SWEEPS } from "./grpc/limits.ts";
import { type RequestBudget, RequestReader } from "./grpc/request-reader.ts";
import {
  OK_TRAILERS,
  RESPONSE_HEADERS,
  statusAlone,
  statusTrailers,
} from "./grpc/status-headers.ts";
import { encodeFrameOnce } from "./grpc/frame.ts";
import { encodeHeaderBlock } from "./http2/hpack/header-block.ts";
import type { Http2Stream } from "./http2/stream.ts";
import { inflater } from "./inflate.ts";
import type { RpcMethod } from "./protos.ts";
import { type StreamContext, WARNINGS, WARNING_TRAILER } from "./service.ts";
import { STATUS_CODES, type WireStatus } from "./status.ts";

/** What a call needs of its connection. */
export interface ServerCallParams {
  readonly stream: Http2Stream;
  readonly types: RpcMethod;
  /** Label of the connection. */
  readonly peer: string;
  readonly clock: Clock;
  readonly timeoutMs: number | undefined;
  /** Of the connection. */
  readonly budget: RequestBudget;
  readonly maxMessageBytes: number;
  /** Number of the sweeps of its connection so far. */
  readonly sweep: () => number;
  /** Answers of the connection that its client has not taken. */
  readonly queuedBytes: () => number;
}

/** One class for all kinds of methods: on the wire they differ only in how many messages follow. */
export class ServerCall implements StreamContext<object, object> {
  readonly method: string;
  readonly peer: string;
  readonly store = new Map<symbol, unknown>();
  readonly #params: ServerCallParams;
  readonly #stream: Http2Stream;
  #reader: RequestReader | undefined;
  #over: AbortController | undefined;
  /** Why the handler need not go on; an ordinary end is no reason. */
  #cut: AssayError | undefined;
  #ended = false;
  /** How sends that the client has not taken yet are told of the call's end. */
  readonly #sends = new Set<(reason: AssayError) => void>();
  #cancelTimer: (() => void) | undefined;

  constructor(params: ServerCallParams) {
    this.#params = params;
    this.#stream = params.stream;
    this.method = params.types.path;
    this.peer = params.peer;
    params.stream.onClose(() => this.#closed());
    if (params.timeoutMs !== undefined) {
      this.#cancelTimer = params.clock.after(params.timeoutMs, () => this.cut(LATE, CANCELLED));
    }
  }

  get signal(): AbortSignal {
    if (this.#over === undefined) {
      this.#over = new AbortController();
      if (this.#cut !== undefined) this.#over.abort(this.#cut);
    }
    return this.#over.signal;
  }

  metadata(name: string): readonly string[] {
    return headerValues(this.#stream.fields, name);
  }

  get requests(): AsyncIterable<object> {
    return this.#decoded();
  }

  async request(): Promise<object> {
    const bytes = await this.#read(true).one();
    return this.#decode(bytes);
  }

  send(response: object): Promise<void> {
    const frame = this.#encode(response);
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#cut !== undefined || !this.#hasRoom(frame)) return reject(CANCELLED);
      this.#respond();
      this.#sends.add(reject);
      this.#stream.write(frame, {
        sent: () => {
          this.#sends.delete(reject);
          resolve();
        },
      });
    });
  }

  /** Ends a unary call: message and status leave together. */
  finish(response: object): void {
    const frame = this.#encode(response);
    if (this.#ended || !this.#hasRoom(frame)) return;
    this.#respond();
    this.#endBehind(this.#okTrailers(), frame);
  }

  /** Ends a stream well, behind what has been sent. */
  end(): void {
    if (this.#ended) return;
    this.#respond();
    this.#endBehind(OK_TRAILERS);
  }

  /** Of several ends only the first one counts. */
  endWith(status: WireStatus): void {
    if (this.#ended) return;
    if (this.#stream.headersSent) return this.#endBehind(statusTrailers(status));
    this.#settle();
    this.#stream.respondAndEnd(statusAlone(status));
    this.#letGo();
  }

  /** Ends the call over its handler's head, which learns of it by the signal. */
  cut(status: WireStatus, reason: AssayError): void {
    this.endWith(status);
    this.#abort(reason);
  }

  /** @param sweep of now: one that waits for the rest of a message for too long is ended */
  check(sweep: number): void {
    const since = this.#reader?.overdueSince(sweep);
    if (since !== undefined && sweep - since > REQUEST_SWEEPS) this.cut(NOT_WHOLE, CANCELLED);
  }

  /** One answer alone is always taken. Without room the call ends. */
  #hasRoom(frame: Uint8Array): boolean {
    const queued = this.#params.queuedBytes();
    if (queued === 0 || queued + frame.length <= MAX_QUEUED_BYTES) return true;
    this.cut(TOO_SLOW, CANCELLED);
    return false;
  }

  #respond(): void {
    this.#stream.respond(RESPONSE_HEADERS);
  }

  #endBehind(trailers: Uint8Array, last?: Uint8Array): void {
    this.#settle();
    if (last !== undefined) this.#stream.write(last);
    this.#stream.end(trailers);
    this.#letGo();
  }

  #settle(): void {
    this.#ended = true;
    this.#cancelTimer?.();
    this.#reader?.stop(CANCELLED);
  }

  /** The client may leave its own side open: what it still sends is for nobody, and after a moment the stream ends. */
  #letGo(): void {
    const stream = this.#stream;
    if (stream.closed || stream.remoteEnded) return;
    stream.discard();
    this.#linger();
  }

  #linger(): void {
    this.#cancelTimer = this.#params.clock.after(LINGER_MS, () => {
      // Only the client's half is left when all has been said.
      if (this.#stream.finished) this.#stream.reset();
      else if (!this.#stream.closed) this.#linger();
    });
  }

  #closed(): void {
    this.#cancelTimer?.();
    if (!this.#ended) this.#abort(CANCELLED);
    this.#ended = true;
    for (const reject of this.#sends) reject(CANCELLED);
  }

  #abort(reason: AssayError): void {
    if (this.#cut !== undefined) return;
    this.#cut = reason;
    this.#reader?.stop(CANCELLED);
    for (const reject of this.#sends) reject(CANCELLED);
    this.#over?.abort(reason);
  }

  #read(single: boolean): RequestReader {
    if (this.#reader !== undefined) throw new TypeError("the requests of a call are read once");
    const { stream, budget, maxMessageBytes } = this.#params;
    const encoding = this.metadata("grpc-encoding")[0];
    this.#reader = new RequestReader({
      stream,
      budget,
      single,
      sweep: this.#params.sweep(),
      maxMessageBytes,
      maxBudget: MAX_UNREAD_BYTES,
      ...(encoding === undefined || encoding === "identity"
        ? {}
        : { inflate: (bytes) => this.#inflated(encoding, bytes) }),
    });
    if (this.#ended || this.#cut !== undefined) this.#reader.stop(CANCELLED);
    return this.#reader;
  }

  async #inflated(encoding: string, bytes: Uint8Array): Promise<Uint8Array> {
    const opened = await inflater(encoding)(bytes, this.#params.maxMessageBytes);
    if (opened !== undefined) return opened;
    this.endWith(NOT_COMPRESSED_SO);
    throw CANCELLED;
  }

  /** A copy: what a handler keeps of a request must not pin the buffer that it was read into. */
  #decode(bytes: Uint8Array): object {
    return this.#params.types.request.decode(Buffer.from(bytes));
  }

  #encode(response: object): Uint8Array {
    const bytes = this.#params.types.response.encode(response);
    if (bytes.length > MAX_RESPONSE_BYTES) {
      throw fail("limited", `the answer has more than ${MAX_RESPONSE_BYTES} bytes, ask for less`);
    }
    return encodeFrameOnce(bytes);
  }

  async *#decoded(): AsyncGenerator<object, void, void> {
    for await (const bytes of this.#read(false).all()) yield this.#decode(bytes);
    if (this.#cut !== undefined) throw this.#cut;
  }

  #okTrailers(): Uint8Array {
    const warnings = this.store.get(WARNINGS) as readonly string[] | undefined;
    if (warnings === undefined) return OK_TRAILERS;
    const fields = ["grpc-status", "0"];
    for (const warning of warnings.slice(0, MAX_WARNINGS)) {
      fields.push(WARNING_TRAILER, warning.replaceAll(/[^ -~]/g, "?").trim());
    }
    return encodeHeaderBlock(fields);
  }
}

/** An agent's whole registry in one answer: 100,000 entries of some 600 bytes. */
const MAX_RESPONSE_BYTES = 64 << 20;
/** Answers of one connection that its client has not taken. */
const MAX_QUEUED_BYTES = 64 << 20;
/** Requests of one connection that are not whole or that no handler has taken yet. */
const MAX_UNREAD_BYTES = 64 << 20;
/** Trailers are headers: a batch must not make more of them than a client takes. */
const MAX_WARNINGS = 20;
/** How long a client may leave its side of an answered call open. */
const LINGER_MS = 1_000;
/** Made once: an error costs its stack, and a call that ends is nothing special. */
const CANCELLED = fail("cancelled", "the call is over");
const NOT_WHOLE: WireStatus = {
  code: STATUS_CODES.deadline,
  message: "the request message did not arrive in time",
};
const TOO_SLOW: WireStatus = {
  code: STATUS_CODES.unavailable,
  message: "the client reads its answers too slowly",
};
const LATE: WireStatus = { code: STATUS_CODES.deadline, message: "the call's deadline has passed" };
/** INTERNAL, as gRPC's compression document wants it, though it is the client's doing. */
const NOT_COMPRESSED_SO: WireStatus = {
  code: STATUS_CODES.internal,
  message: "the request is not compressed as its grpc-encoding says",
};
