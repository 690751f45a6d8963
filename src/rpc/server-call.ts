import { type ServerDuplexStream, Metadata } from "@grpc/grpc-js";
import { type AssayError, fail } from "../base/errors.ts";
import type { RpcMethod } from "./protos.ts";
import { type StreamContext, WARNINGS, WARNING_TRAILER } from "./service.ts";
import { DETAILS_TRAILER, type WireStatus } from "./status.ts";

/** A call under way, over grpc-js; messages are bytes there, so that nothing is decoded before the gate has passed. */
export type RawStream = ServerDuplexStream<Uint8Array, Uint8Array>;

/** One class for all kinds of methods: on the wire they differ only in how many messages follow. */
export class ServerCall implements StreamContext<object, object> {
  readonly method: string;
  readonly peer: string;
  readonly store = new Map<symbol, unknown>();
  readonly #stream: RawStream;
  readonly #types: RpcMethod;
  #over: AbortController | undefined;
  #ended = false;

  constructor(stream: RawStream, types: RpcMethod) {
    this.#stream = stream;
    this.#types = types;
    this.method = types.path;
    this.peer = stream.getPeer();
    // grpc-js says so after an ordinary end as well.
    stream.once("cancelled", () => {
      if (!this.#ended) this.#over?.abort(CANCELLED);
    });
  }

  get signal(): AbortSignal {
    if (this.#over === undefined) {
      this.#over = new AbortController();
      if (this.#stream.cancelled && !this.#ended) this.#over.abort(CANCELLED);
    }
    return this.#over.signal;
  }

  metadata(name: string): readonly string[] {
    return this.#stream.metadata.get(name).map((value) => value.toString());
  }

  get requests(): AsyncIterable<object> {
    return this.#decoded();
  }

  /** By listeners: an iterator over one message costs as much as all the rest of a small call. */
  request(): Promise<object> {
    const stream = this.#stream;
    if (stream.destroyed) return Promise.reject(CANCELLED);
    return new Promise((resolve, reject) => {
      let first: Uint8Array | undefined;
      stream.on("data", (bytes: Uint8Array) => {
        if (first === undefined) first = bytes;
        else reject(fail("invalid", "the call takes one request message, not more"));
      });
      stream.once("end", () => {
        if (first === undefined) {
          return reject(fail("invalid", "the call takes one request message, none came"));
        }
        try {
          resolve(this.#types.request.decode(first));
        } catch (thrown) {
          reject(thrown);
        }
      });
      // Its own end is an error event as well.
      stream.once("error", (error) => reject(this.#ended ? CANCELLED : error));
      stream.once("close", () => reject(CANCELLED));
    });
  }

  send(response: object): Promise<void> {
    const bytes = this.#types.response.encode(response);
    return new Promise((resolve, reject) => {
      const { signal } = this;
      const onAbort = (): void => reject(CANCELLED);
      if (signal.aborted || this.#ended) return reject(CANCELLED);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#stream.write(bytes, (error?: Error | null) => {
        signal.removeEventListener("abort", onAbort);
        if (error) reject(CANCELLED);
        else resolve();
      });
    });
  }

  /** Ends a unary call: message and status leave together. */
  finish(response: object): void {
    const bytes = this.#types.response.encode(response);
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.write(bytes);
    const warnings = this.store.get(WARNINGS) as readonly string[] | undefined;
    if (warnings === undefined) this.#stream.end();
    else this.#stream.end(warningTrailers(warnings));
  }

  /** Ends a stream well, behind what has been sent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.end();
  }

  /** Of several ends only the first one counts. */
  endWith(status: WireStatus): void {
    if (this.#ended) return;
    this.#ended = true;
    const metadata = new Metadata();
    if (status.details !== undefined) metadata.set(DETAILS_TRAILER, Buffer.from(status.details));
    // grpc-js takes the status of a stream from an error event, whose own listener ends the stream.
    this.#stream.emit("error", { code: status.code, details: status.message, metadata });
  }

  /** Ends the call over its handler's head, which learns of it by the signal. */
  cut(status: WireStatus, reason: AssayError): void {
    this.endWith(status);
    this.#over?.abort(reason);
  }

  async *#decoded(): AsyncGenerator<object, void, void> {
    const { signal } = this;
    try {
      for await (const bytes of this.#stream.iterator({ destroyOnReturn: false })) {
        yield this.#types.request.decode(bytes as Uint8Array);
      }
    } catch (thrown) {
      throw signal.aborted ? CANCELLED : thrown;
    }
    signal.throwIfAborted();
  }
}

function warningTrailers(warnings: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (const warning of warnings.slice(0, MAX_WARNINGS)) {
    metadata.add(WARNING_TRAILER, warning.replaceAll(/[^ -~]/g, "?"));
  }
  return metadata;
}

/** Trailers are headers: a batch must not make more of them than a client takes. */
const MAX_WARNINGS = 20;
const CANCELLED = fail("cancelled", "the call is over");
