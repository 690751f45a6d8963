import type { ServerResponse } from "node:http";

/** The end of a call: its client has gone, or the listener closes. A signal is made for whoever asks for one alone. */
export class CallEnd {
  readonly #response: ServerResponse;
  readonly #closing: AbortSignal;
  #signal: AbortSignal | undefined;

  constructor(response: ServerResponse, closing: AbortSignal) {
    this.#response = response;
    this.#closing = closing;
  }

  /** Nobody waits for an answer any more. */
  get isOver(): boolean {
    return this.#response.closed || this.#closing.aborted;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const gone = new AbortController();
      if (this.#response.closed) gone.abort();
      else this.#response.once("close", () => gone.abort());
      this.#signal = AbortSignal.any([gone.signal, this.#closing]);
    }
    return this.#signal;
  }
}
