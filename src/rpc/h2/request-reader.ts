import type { ServerHttp2Stream } from "node:http2";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { MessageAssembler } from "./frame.ts";
import { MAX_REQUEST_BYTES_PER_CONNECTION, MAX_WAITING_REQUESTS } from "./limits.ts";

/** Bytes of unfinished and waiting requests, counted over all streams of one connection. */
export interface RequestBudget {
  requestBytes: number;
}

export interface RequestReaderParams {
  readonly stream: ServerHttp2Stream;
  readonly budget: RequestBudget;
  /** Exactly one message is expected. */
  readonly single: boolean;
  /** The sweep of now. */
  readonly sweep: number;
}

/**
 * Reads the requests of one stream, from its first use on. What stays unread is held back at the client by flow
 * control. Time is counted in the server's sweeps, so that a request that never gets whole needs no timer of its own.
 */
export class RequestReader {
  readonly #stream: ServerHttp2Stream;
  readonly #budget: RequestBudget;
  readonly #assembler: MessageAssembler;
  #messages: Uint8Array[] = [];
  #counted = 0;
  #ended = false;
  #failure: AssayError | undefined;
  #wake: (() => void) | undefined;
  #paused = false;
  readonly #single: boolean;
  #waitingSince: number | undefined;

  constructor(params: RequestReaderParams) {
    const { stream } = params;
    this.#stream = stream;
    this.#budget = params.budget;
    this.#single = params.single;
    this.#waitingSince = params.single ? params.sweep : undefined;
    this.#assembler = new MessageAssembler((message) => this.#messages.push(message));
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.on("end", () => this.#end());
  }

  /** The sweep at which a message began that is not whole yet; `now` for one that began since the last sweep. */
  overdueSince(now: number): number | undefined {
    if (this.#ended || this.#failure !== undefined) return undefined;
    if (!this.#single) {
      if (this.#assembler.heldBytes === 0) this.#waitingSince = undefined;
      else this.#waitingSince ??= now;
    }
    return this.#waitingSince;
  }

  /** Resolves with the one message when the client's side has ended. */
  async one(): Promise<Uint8Array> {
    while (!this.#ended && this.#failure === undefined) await this.#change();
    if (this.#failure !== undefined) throw this.#failure;
    const message = this.#messages[0];
    if (message === undefined) throw fail("invalid", "the call has no request message");
    this.#release();
    return message;
  }

  async *all(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        this.#count();
        if (this.#paused && this.#messages.length === 0) {
          this.#paused = false;
          this.#stream.resume();
        }
        yield message;
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else if (this.#ended) {
        return;
      } else {
        await this.#change();
      }
    }
  }

  /** Ends the reading: whoever waits gets `error`. */
  stop(error: AssayError): void {
    if (!this.#ended) this.#failure ??= error;
    this.#release();
    this.#wake?.();
  }

  #take(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#assembler.push(chunk);
      this.#count();
      if (this.#single && this.#messages.length > 1) {
        throw fail("invalid", "the call takes exactly one request message");
      }
      if (this.#budget.requestBytes > MAX_REQUEST_BYTES_PER_CONNECTION) {
        throw fail("limited", "the connection has too many unfinished requests");
      }
    } catch (thrown) {
      this.stop(errorFrom(thrown));
      return;
    }
    if (this.#messages.length === 0) return;
    if (!this.#single) {
      if (this.#messages.length >= MAX_WAITING_REQUESTS) {
        this.#paused = true;
        this.#stream.pause();
      }
      this.#wake?.();
    }
  }

  #end(): void {
    this.#ended = true;
    if (this.#failure === undefined && this.#assembler.heldBytes > 0) {
      this.#failure = fail("invalid", "the client's side ended within a request message");
    }
    this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #count(): void {
    let bytes = this.#assembler.heldBytes;
    for (const message of this.#messages) bytes += message.length;
    this.#budget.requestBytes += bytes - this.#counted;
    this.#counted = bytes;
  }

  #release(): void {
    this.#messages = [];
    this.#budget.requestBytes -= this.#counted;
    this.#counted = 0;
  }
}
