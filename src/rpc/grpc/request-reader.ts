import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { Http2Stream, StreamReceiver } from "../http2/stream.ts";
import { MessageAssembler, isFrame, messageOf, ownMessageOf } from "./frame.ts";
import {
  MAX_REQUEST_BYTES,
  MAX_REQUEST_BYTES_PER_CONNECTION,
  MAX_WAITING_REQUESTS,
} from "./limits.ts";

/** Bytes of unfinished and waiting requests, counted over all streams of one connection. */
export interface RequestBudget {
  requestBytes: number;
}

export interface RequestReaderParams {
  readonly stream: Http2Stream;
  readonly budget: RequestBudget;
  /** Exactly one message is expected. */
  readonly single: boolean;
  /** The sweep of now. */
  readonly sweep: number;
  /** One message as it comes; `MAX_REQUEST_BYTES` unless given. */
  readonly maxMessageBytes?: number;
  /** Unfinished and waiting requests of the connection; `MAX_REQUEST_BYTES_PER_CONNECTION` unless given. */
  readonly maxBudget?: number;
  /** Opens a compressed message; without it they are refused. */
  readonly inflate?: (bytes: Uint8Array) => Promise<Uint8Array>;
}

/**
 * Reads the requests of one stream, from its first use on. What stays unread is held back at the client by flow
 * control. Time is counted in the server's sweeps, so that a request that never gets whole needs no timer of its own.
 */
export class RequestReader implements StreamReceiver {
  readonly #stream: Http2Stream;
  readonly #budget: RequestBudget;
  readonly #single: boolean;
  readonly #maxMessageBytes: number;
  readonly #maxBudget: number;
  readonly #inflate: RequestReaderParams["inflate"];
  readonly #compressed = new WeakSet<Uint8Array>();
  #assembler: MessageAssembler | undefined;
  #messages: Uint8Array[] = [];
  #counted = 0;
  #ended = false;
  #paused = false;
  #failure: AssayError | undefined;
  #wake: (() => void) | undefined;
  #since: number | undefined;

  constructor(params: RequestReaderParams) {
    const { stream } = params;
    this.#stream = stream;
    this.#budget = params.budget;
    this.#single = params.single;
    this.#maxMessageBytes = params.maxMessageBytes ?? MAX_REQUEST_BYTES;
    this.#maxBudget = params.maxBudget ?? MAX_REQUEST_BYTES_PER_CONNECTION;
    this.#inflate = params.inflate;
    this.#since = params.single ? params.sweep : undefined;
    stream.receive(this);
  }

  /** The sweep since which a message is awaited that is not whole; `now` for one first seen in this sweep. */
  overdueSince(now: number): number | undefined {
    if (this.#ended || this.#failure !== undefined) return undefined;
    if (!this.#single) {
      if (this.#heldBytes() === 0) this.#since = undefined;
      else this.#since ??= now;
    }
    return this.#since;
  }

  /** Resolves with the one message when the client's side has ended. */
  one(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        const message = this.#messages[0];
        if (this.#failure !== undefined) reject(this.#failure);
        else if (message === undefined) reject(fail("invalid", "the call has no request message"));
        else resolve(this.#opened(message));
        this.#release();
      };
      if (this.#ended || this.#failure !== undefined) settle();
      else this.#wake = settle;
    });
  }

  async *all(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        this.#counted -= message.length;
        this.#budget.requestBytes -= message.length;
        this.#resumeWhenEmpty();
        yield await this.#opened(message);
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Ends the reading: whoever waits gets `error`, and what nobody has taken counts no longer. */
  stop(error: AssayError): void {
    if (!this.#ended) this.#failure ??= error;
    this.#release();
    this.#notify();
  }

  /** What the stream brings. */
  data(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#assemble(chunk);
      this.#count();
      if (this.#single && this.#messages.length > 1) {
        throw fail("invalid", "the call takes exactly one request message");
      }
      if (this.#budget.requestBytes > this.#maxBudget) {
        throw fail("limited", "the connection has too many unfinished requests");
      }
    } catch (thrown) {
      this.stop(errorFrom(thrown));
      return;
    }
    if (this.#single) return;
    if (this.#messages.length >= MAX_WAITING_REQUESTS) {
      this.#paused = true;
      this.#stream.pause();
    }
    if (this.#messages.length > 0) this.#notify();
  }

  /** Nearly every request comes in one piece, which needs no assembler. */
  #assemble(chunk: Uint8Array): void {
    if (
      this.#assembler === undefined &&
      isFrame(chunk) &&
      messageOf(chunk).length <= this.#maxMessageBytes
    ) {
      this.#messages.push(ownMessageOf(chunk));
      return;
    }
    this.#assembler ??= new MessageAssembler(
      (message, compressed) => {
        if (compressed) this.#compressed.add(message);
        this.#messages.push(message);
      },
      { maxBytes: this.#maxMessageBytes, compressed: this.#inflate !== undefined },
    );
    this.#assembler.push(chunk);
  }

  #opened(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (this.#inflate === undefined || !this.#compressed.has(message)) return message;
    return this.#inflate(message);
  }

  /** The client's side has ended. */
  end(): void {
    this.#ended = true;
    if (this.#heldBytes() > 0) {
      this.#failure ??= fail("invalid", "the client's side ended within a request message");
    }
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #resumeWhenEmpty(): void {
    if (!this.#paused || this.#messages.length > 0) return;
    this.#paused = false;
    this.#stream.resume();
  }

  #heldBytes(): number {
    return this.#assembler?.heldBytes ?? 0;
  }

  #count(): void {
    let bytes = this.#heldBytes();
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
