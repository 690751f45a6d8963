import { FLOW_CONTROL_ERROR, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED } from "./error-code.ts";
import { DATA, MAX_FRAME_PAYLOAD, encodeHeaderFrames, frameHead } from "./frame-header.ts";
import type { Output, Sender } from "./output.ts";
import { MAX_WINDOW } from "./settings.ts";
import { Unread } from "./unread.ts";

/** Who reads a request's body. */
export interface StreamReceiver {
  /** Shares the memory that it was read into. */
  data(chunk: Uint8Array): void;
  /** The client's side has ended well. */
  end(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly output: Output;
  /** Bytes of DATA that connection and socket take now. */
  allowance(): number;
  /** So many bytes of DATA more wait to go out; negative: less, as they never will. */
  queue(bytes: number): void;
  /** So many of them went out. */
  spend(bytes: number): void;
  /** The stream has something to send that connection or socket do not take now: it is pumped when they do. */
  wait(stream: Http2Stream): void;
  /** The client may send so many bytes more, on the connection, and on the stream unless its side has ended. */
  credit(stream: Http2Stream | undefined, bytes: number): void;
  /** Sends RST_STREAM; one that is not NO_ERROR counts as the client's doing. */
  reset(streamId: number, code: number): void;
  /** Headers of an answer as this client takes them. */
  headerBlock(block: Uint8Array): Uint8Array;
  forget(stream: Http2Stream): void;
}

export interface Http2StreamParams {
  readonly id: number;
  /** Names and values in turn. */
  readonly fields: readonly string[];
  readonly host: StreamHost;
  readonly sendWindow: number;
  readonly receiveWindow: number;
}

/**
 * One request and its answer (RFC 9113 §5.1). What is read is taken by one receiver; what nobody has taken stays here,
 * bounded by the window that the client was given.
 */
export class Http2Stream implements Sender {
  readonly id: number;
  /** The request's headers: names and values in turn. */
  readonly fields: readonly string[];
  readonly #host: StreamHost;
  #receiver: StreamReceiver | undefined;
  #unread: Unread | undefined;
  #paused = false;
  #discarding = false;
  #remoteEnded = false;
  #endTold = false;
  #receiveWindow: number;
  #uncredited = 0;
  #expected: number | undefined;
  #sendWindow: number;
  #queue: Chunk[] = [];
  #at = 0;
  #headersSent = false;
  #ending = false;
  #trailers: Uint8Array | undefined;
  #localEnded = false;
  #finished = false;
  #closed = false;
  #onClose: (() => void)[] | undefined;

  constructor(params: Http2StreamParams) {
    this.id = params.id;
    this.fields = params.fields;
    this.#host = params.host;
    this.#sendWindow = params.sendWindow;
    this.#receiveWindow = params.receiveWindow;
    for (let i = 0; i < params.fields.length; i += 2) {
      if (params.fields[i] === "content-length") this.#expected = Number(params.fields[i + 1]);
    }
  }

  /** Both sides have ended, or either has reset the stream, or the connection is gone. */
  get closed(): boolean {
    return this.#closed;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  /** The client's side has ended. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** All that was to be said has been taken by the socket. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Runs `listener` once when the stream is closed. */
  onClose(listener: () => void): void {
    (this.#onClose ??= []).push(listener);
  }

  /** From now on the body goes to `receiver`, and what has come already goes there at once. */
  receive(receiver: StreamReceiver): void {
    this.#receiver = receiver;
    this.#deliver();
  }

  /** What still comes is for nobody. */
  discard(): void {
    this.#discarding = true;
    this.#receiver = undefined;
    this.#paused = false;
    this.#deliver();
  }

  /** Holds the client back: what comes stays unread, and it may send no more than its window. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  /** Sends the headers of the answer (an HPACK block), once. */
  respond(block: Uint8Array): void {
    if (this.#closed || this.#headersSent) return;
    this.#headersSent = true;
    this.#sendHeaders(block, false);
  }

  /** Answers with nothing but headers. */
  respondAndEnd(block: Uint8Array): void {
    if (this.#closed || this.#headersSent) return;
    this.#headersSent = true;
    this.#ending = true;
    this.#sendHeaders(block, true);
  }

  /** Behind `respond`. `data` is kept, not copied; `sender` is told when the socket has taken it, never when the stream closes before. */
  write(data: Uint8Array, sender?: Sender): void {
    if (this.#closed || this.#ending) return;
    this.#queue.push({ data, sender });
    this.#host.queue(data.length);
    this.pump();
  }

  /** Ends the answer behind what was written, with `trailers` (an HPACK block). */
  end(trailers: Uint8Array): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#trailers = trailers;
    this.pump();
  }

  /** RST_STREAM; NO_ERROR tells the client that it need not send the rest (RFC 9113 §8.1). */
  reset(code: number = NO_ERROR): void {
    if (this.#closed) return;
    this.#host.reset(this.id, code);
    this.close();
  }

  /** The socket has taken the end. */
  sent(): void {
    this.#finished = true;
  }

  /** Sends what windows and socket take. */
  pump(): void {
    for (let chunk = this.#queue[0]; chunk !== undefined; chunk = this.#queue[0]) {
      const allowance = this.#host.allowance();
      if (allowance <= 0) return this.#host.wait(this);
      const left = chunk.data.length - this.#at;
      const take = Math.min(left, allowance, this.#sendWindow, MAX_FRAME_PAYLOAD);
      if (take <= 0) return;
      this.#sendData(chunk, take);
    }
    if (this.#ending && !this.#localEnded && this.#trailers !== undefined) {
      this.#sendHeaders(this.#trailers, true);
    }
  }

  /** WINDOW_UPDATE, or a change of the initial window. @returns false above 31 bits */
  widen(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#sendWindow > MAX_WINDOW) return false;
    if (this.#sendWindow > 0) this.pump();
    return true;
  }

  /** So much was read. @returns by how much the client's window is to grow now: 0, or `atLeast` and more */
  credited(bytes: number, atLeast: number): number {
    this.#uncredited += bytes;
    if (this.#uncredited < atLeast) return 0;
    const due = this.#uncredited;
    this.#uncredited = 0;
    this.#receiveWindow += due;
    return due;
  }

  /** A DATA frame. @param size of its whole payload, padding included */
  take(body: Uint8Array, size: number, ended: boolean): void {
    if (this.#remoteEnded) {
      this.#host.credit(undefined, size);
      return this.reset(STREAM_CLOSED);
    }
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) {
      this.#host.credit(undefined, size);
      return this.reset(FLOW_CONTROL_ERROR);
    }
    if (this.#expected !== undefined) this.#expected -= body.length;
    if (size > body.length) this.#host.credit(this, size - body.length);
    const receiver = this.#receiver;
    if (body.length > 0) {
      if (receiver !== undefined && !this.#paused && this.#unread === undefined) {
        this.#host.credit(ended ? undefined : this, body.length);
        receiver.data(body);
      } else if (this.#discarding) {
        this.#host.credit(ended ? undefined : this, body.length);
      } else {
        (this.#unread ??= new Unread()).add(body);
      }
    }
    if (ended) this.takeEnd();
  }

  /** The client's side ends: with DATA, with its trailers or with its headers. */
  takeEnd(): void {
    if (this.#closed) return;
    if (this.#remoteEnded) return this.reset(STREAM_CLOSED);
    if (this.#expected !== undefined && this.#expected !== 0) return this.reset(PROTOCOL_ERROR);
    this.#remoteEnded = true;
    this.#tellEnd();
    this.#closeIfDone();
  }

  /** Ends what is left of the stream without a word to the client. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.queue(this.#queue.reduce((left, { data }) => left - data.length, this.#at));
    this.#queue = [];
    const unread = this.#unread;
    this.#unread = undefined;
    for (let chunk = unread?.next(); chunk !== undefined; chunk = unread?.next()) {
      this.#host.credit(undefined, chunk.length);
    }
    this.#receiver = undefined;
    this.#host.forget(this);
    const listeners = this.#onClose;
    this.#onClose = undefined;
    for (const listener of listeners ?? []) listener();
  }

  #sendData(chunk: Chunk, take: number): void {
    const { output } = this.#host;
    const from = this.#at;
    output.add(frameHead(DATA, 0, this.id, take));
    output.add(take === chunk.data.length ? chunk.data : chunk.data.subarray(from, from + take));
    this.#sendWindow -= take;
    this.#host.spend(take);
    this.#at += take;
    if (this.#at < chunk.data.length) return;
    this.#at = 0;
    this.#queue.shift();
    if (chunk.sender !== undefined) output.notify(chunk.sender);
  }

  #sendHeaders(block: Uint8Array, ended: boolean): void {
    const { output } = this.#host;
    output.add(encodeHeaderFrames(this.id, this.#host.headerBlock(block), ended));
    if (!ended) return;
    this.#localEnded = true;
    if (!this.#remoteEnded) output.notify(this);
    this.#closeIfDone();
  }

  #deliver(): void {
    while (this.#unread !== undefined && !this.#paused) {
      const receiver = this.#receiver;
      if (receiver === undefined && !this.#discarding) return;
      const chunk = this.#unread.next();
      if (chunk === undefined) {
        this.#unread = undefined;
        break;
      }
      this.#host.credit(this.#remoteEnded ? undefined : this, chunk.length);
      receiver?.data(chunk);
    }
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#endTold || !this.#remoteEnded || this.#unread !== undefined) return;
    if (this.#receiver === undefined) return;
    this.#endTold = true;
    this.#receiver.end();
  }

  #closeIfDone(): void {
    if (this.#localEnded && this.#remoteEnded) this.close();
  }
}

interface Chunk {
  readonly data: Uint8Array;
  readonly sender: Sender | undefined;
}
