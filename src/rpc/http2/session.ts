import type { Duplex } from "node:stream";
import {
  ConnectionViolation,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  STREAM_CLOSED,
} from "./error-code.ts";
import * as frames from "./frame-header.ts";
import { FrameReader } from "./frame-reader.ts";
import { HeaderReader } from "./header-reader.ts";
import { NO_TABLE } from "./hpack/header-block.ts";
import { Output } from "./output.ts";
import { Patience } from "./patience.ts";
import { malformedRequest, malformedTrailers } from "./request-fields.ts";
import type { SessionLimits, SessionOwner } from "./session-contract.ts";
import { DEFAULT_WINDOW, MAX_WINDOW, readSettings, serverSettings } from "./settings.ts";
import { Http2Stream, type StreamHost } from "./stream.ts";

/**
 * The server's side of one HTTP/2 connection (RFC 9113), for answers that gRPC gives. No push, no priorities; headers
 * of answers touch no table. Time is what `check` says it is: whoever owns it calls it every few seconds.
 */
export class Http2Session implements StreamHost {
  readonly output: Output;
  readonly #socket: Duplex;
  readonly #owner: SessionOwner;
  readonly #limits: SessionLimits;
  readonly #reader: FrameReader;
  readonly #headers: HeaderReader;
  readonly #patience: Patience;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #waiting = new Set<Http2Stream>();
  #state: "preface" | "settings" | "open" | "closing" | "ended" = "preface";
  /** Streams that somebody works for; some are closed already. */
  #working = 0;
  #lastStreamId = 0;
  /** Of those that were taken up; what comes after GOAWAY is not. */
  #lastTaken = 0;
  #sendWindow = DEFAULT_WINDOW;
  #queuedBytes = 0;
  #sentBytes = 0;
  #initialSendWindow = DEFAULT_WINDOW;
  #receiveWindow: number;
  #uncredited = 0;
  #acknowledged = false;
  #owesTableUpdate = false;
  /** Acknowledgements leave behind what the present chunk says; a client that says goodbye in it needs none. */
  #acks: Uint8Array[] = [];
  #onPong: (() => void) | undefined;
  #endedChecks = 0;

  /** Takes over a socket that nobody has read from. */
  constructor(socket: Duplex, owner: SessionOwner, limits: SessionLimits) {
    this.#socket = socket;
    this.#owner = owner;
    this.#limits = limits;
    this.#receiveWindow = limits.connectionWindow;
    this.output = new Output(socket, () => this.#pumpWaiting());
    this.#headers = new HeaderReader({
      maxBytes: limits.maxHeaderListBytes,
      maxFields: limits.maxHeaders,
      maxResets: limits.maxStreams,
    });
    this.#patience = new Patience(limits.maxResets);
    this.#reader = new FrameReader(
      () => this.#begin(),
      (type, flags, streamId, payload) => this.#take(type, flags, streamId, payload),
    );
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    socket.on("close", () => this.#closed());
    socket.on("end", () => this.#end());
  }

  /** The client has begun as HTTP/2 does. */
  get begun(): boolean {
    return this.#state !== "preface";
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** It takes no further streams. */
  get closing(): boolean {
    return this.#state === "closing" || this.#state === "ended";
  }

  /** GOAWAY; streams under way may end, then the connection does. */
  close(): void {
    if (this.closing) return;
    if (this.#state === "preface") return this.#end();
    this.#state = "closing";
    this.#goAway(NO_ERROR);
    if (this.#streams.size === 0) this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** `answered` runs when the client answers; a PING that is under way is replaced. */
  ping(answered: () => void): void {
    this.#onPong = answered;
    this.output.add(frames.encodeFrame(frames.PING, 0, 0, PING_DATA));
  }

  /** Every few seconds: the bounds on what comes between two of them begin anew, and one that ends is not waited for. */
  check(): void {
    this.#patience.renew();
    if (this.#state === "ended" && ++this.#endedChecks > 1) this.destroy();
  }

  allowance(): number {
    return this.output.isFull ? 0 : this.#sendWindow;
  }

  /** Bytes of answers that are not on their way to the socket yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Changes whenever some of them go. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  queue(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  spend(bytes: number): void {
    this.#sendWindow -= bytes;
    this.#queuedBytes -= bytes;
    this.#sentBytes += bytes;
  }

  wait(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  credit(stream: Http2Stream | undefined, bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited >= this.#limits.connectionWindow / 2) {
      this.#receiveWindow += this.#uncredited;
      this.#widen(0, this.#uncredited);
      this.#uncredited = 0;
    }
    const due = stream?.credited(bytes, this.#limits.streamWindow / 2) ?? 0;
    if (stream !== undefined && due > 0) this.#widen(stream.id, due);
  }

  reset(streamId: number, code: number): void {
    if (code !== NO_ERROR) this.#patience.reset();
    this.output.add(frames.encodeNumberFrame(frames.RST_STREAM, streamId, code));
    this.#headers.noteReset(streamId);
  }

  headerBlock(block: Uint8Array): Uint8Array {
    if (!this.#owesTableUpdate) return block;
    this.#owesTableUpdate = false;
    return Buffer.concat([NO_TABLE, block]);
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    if (this.#state === "closing" && this.#streams.size === 0) this.#end();
  }

  #read(chunk: Uint8Array): void {
    if (this.#state === "ended") return;
    try {
      this.#reader.push(chunk);
      if (this.#acks.length > 0) this.#sendAcks();
      this.#patience.checkHeld(this.output.heldBytes);
    } catch (thrown) {
      this.#violated(thrown);
    }
  }

  #sendAcks(): void {
    for (const ack of this.#acks) this.output.add(ack);
    this.#acks = [];
  }

  #violated(thrown: unknown): void {
    const violation =
      thrown instanceof ConnectionViolation
        ? thrown
        : new ConnectionViolation(INTERNAL_ERROR, `reading failed: ${String(thrown)}`);
    this.#owner.onViolation(violation);
    this.#goAway(violation.code, thrown === violation ? violation.message : "");
    this.#end();
  }

  /** The server's preface, once the client's is there. */
  #begin(): void {
    this.#state = "settings";
    const { maxStreams, streamWindow, connectionWindow, maxHeaderListBytes } = this.#limits;
    this.output.add(
      serverSettings({
        maxConcurrentStreams: maxStreams,
        initialWindow: streamWindow,
        maxHeaderListBytes,
      }),
    );
    if (connectionWindow > DEFAULT_WINDOW) this.#widen(0, connectionWindow - DEFAULT_WINDOW);
  }

  #take(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (this.#state === "settings") {
      if (type !== frames.SETTINGS || (flags & frames.ACK) !== 0) {
        throw new ConnectionViolation(PROTOCOL_ERROR, "the first frame is SETTINGS");
      }
      this.#state = "open";
    }
    if (this.#headers.continues && type !== frames.CONTINUATION) {
      throw new ConnectionViolation(PROTOCOL_ERROR, "a header block is not interrupted");
    }
    switch (type) {
      case frames.DATA:
        return this.#takeData(flags, streamId, payload);
      case frames.HEADERS:
        return this.#takeHeaders(flags, streamId, payload);
      case frames.CONTINUATION:
        return this.#takeContinuation(flags, streamId, payload);
      case frames.RST_STREAM:
        return this.#takeReset(streamId, payload);
      case frames.WINDOW_UPDATE:
        return this.#takeWindowUpdate(streamId, payload);
      case frames.SETTINGS:
        return this.#takeSettings(flags, streamId, payload);
      case frames.PING:
        return this.#takePing(flags, streamId, payload);
      case frames.PRIORITY:
        this.#patience.idleFrame();
        onStream(streamId);
        if (payload.length !== frames.PRIORITY_BYTES) this.#refuse(streamId, FRAME_SIZE_ERROR);
        else if (frames.uint31(payload, 0) === streamId) this.#refuse(streamId, PROTOCOL_ERROR);
        return;
      case frames.GOAWAY:
        if (streamId !== 0) throw new ConnectionViolation(PROTOCOL_ERROR, "GOAWAY has no stream");
        if (payload.length < 8) {
          throw new ConnectionViolation(FRAME_SIZE_ERROR, "GOAWAY has eight bytes and more");
        }
        this.#patience.idleFrame();
        if (this.#streams.size === 0) this.#leave();
        return;
      case frames.PUSH_PROMISE:
        throw new ConnectionViolation(PROTOCOL_ERROR, "a client does not push");
      default:
        this.#patience.idleFrame();
    }
  }

  #takeData(flags: number, streamId: number, payload: Uint8Array): void {
    onStream(streamId);
    const size = payload.length;
    if (size === 0 && (flags & frames.END_STREAM) === 0) this.#patience.idleFrame();
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) {
      throw new ConnectionViolation(FLOW_CONTROL_ERROR, "more DATA than the connection's window");
    }
    const body = frames.unpadded(payload, flags & frames.PADDED);
    if (body === undefined) throw new ConnectionViolation(PROTOCOL_ERROR, "padding is too long");
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      return stream.take(body, size, (flags & frames.END_STREAM) !== 0);
    }
    this.#notIdle(streamId);
    this.credit(undefined, size);
    if (!this.#headers.wasReset(streamId) && !this.closing) this.#refuse(streamId, STREAM_CLOSED);
  }

  #takeHeaders(flags: number, streamId: number, payload: Uint8Array): void {
    onStream(streamId);
    const fragment = frames.unpadded(payload, flags);
    if (fragment === undefined) {
      throw new ConnectionViolation(PROTOCOL_ERROR, "padding is too long");
    }
    if (dependsOnItself(flags, streamId, payload)) {
      throw new ConnectionViolation(PROTOCOL_ERROR, "a stream does not depend on itself");
    }
    const ended = (flags & frames.END_STREAM) !== 0;
    if ((flags & frames.END_HEADERS) !== 0) this.#takeBlock(streamId, ended, fragment);
    else this.#headers.begin(streamId, ended, fragment);
  }

  #takeContinuation(flags: number, streamId: number, payload: Uint8Array): void {
    if (payload.length === 0) this.#patience.idleFrame();
    const { ended } = this.#headers.add(streamId, payload);
    if ((flags & frames.END_HEADERS) !== 0) {
      this.#takeBlock(streamId, ended, this.#headers.finish());
    }
  }

  #takeBlock(streamId: number, ended: boolean, block: Uint8Array): void {
    const fields = this.#headers.decode(block);
    const known = this.#streams.get(streamId);
    if (known !== undefined) return this.#takeTrailers(known, ended, fields);
    if (streamId <= this.#lastStreamId) {
      // Trailers may have been under way when the stream was reset.
      if (this.#headers.wasReset(streamId)) return this.#patience.idleFrame();
      throw new ConnectionViolation(STREAM_CLOSED, "HEADERS on a stream that has ended");
    }
    if (streamId % 2 === 0) {
      throw new ConnectionViolation(PROTOCOL_ERROR, "a client's streams have odd numbers");
    }
    this.#lastStreamId = streamId;
    if (this.closing) return this.#patience.idleFrame();
    this.#lastTaken = streamId;
    const isMalformed = fields !== undefined && malformedRequest(fields) !== undefined;
    if (isMalformed) return this.#refuse(streamId, PROTOCOL_ERROR);
    if (this.#streams.size >= this.#limits.maxStreams) {
      if (this.#acknowledged) this.#patience.refusal();
      return this.#refuse(streamId, REFUSED_STREAM);
    }
    if (this.#working >= 2 * this.#limits.maxStreams) return this.#refuse(streamId, REFUSED_STREAM);
    const stream = new Http2Stream({
      id: streamId,
      fields: fields ?? [],
      host: this,
      sendWindow: this.#initialSendWindow,
      receiveWindow: this.#limits.streamWindow,
    });
    this.#streams.set(streamId, stream);
    if (ended) stream.takeEnd();
    if (!stream.closed) this.#serve(stream);
  }

  #serve(stream: Http2Stream): void {
    const work = this.#owner.onStream(stream);
    if (work === undefined) return;
    this.#working += 1;
    void work.then(() => {
      this.#working -= 1;
    });
  }

  #takeTrailers(stream: Http2Stream, ended: boolean, fields: readonly string[] | undefined): void {
    if (stream.remoteEnded) return stream.reset(STREAM_CLOSED);
    if (!ended || fields === undefined || malformedTrailers(fields) !== undefined) {
      return stream.reset(PROTOCOL_ERROR);
    }
    stream.takeEnd();
  }

  #takeReset(streamId: number, payload: Uint8Array): void {
    onStream(streamId);
    if (payload.length !== 4) {
      throw new ConnectionViolation(FRAME_SIZE_ERROR, "RST_STREAM has four bytes");
    }
    this.#notIdle(streamId);
    this.#patience.reset();
    this.#streams.get(streamId)?.close();
  }

  #takeWindowUpdate(streamId: number, payload: Uint8Array): void {
    if (payload.length !== 4) {
      throw new ConnectionViolation(FRAME_SIZE_ERROR, "WINDOW_UPDATE has four bytes");
    }
    const bytes = frames.uint31(payload, 0);
    if (streamId === 0) {
      if (bytes === 0) throw new ConnectionViolation(PROTOCOL_ERROR, "a window grows by 1 or more");
      this.#sendWindow += bytes;
      if (this.#sendWindow > MAX_WINDOW) {
        throw new ConnectionViolation(FLOW_CONTROL_ERROR, "a window has at most 31 bits");
      }
      return this.#pumpWaiting();
    }
    this.#notIdle(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#patience.idleFrame();
    if (bytes === 0) stream.reset(PROTOCOL_ERROR);
    else if (!stream.widen(bytes)) stream.reset(FLOW_CONTROL_ERROR);
  }

  #takeSettings(flags: number, streamId: number, payload: Uint8Array): void {
    if (streamId !== 0) throw new ConnectionViolation(PROTOCOL_ERROR, "SETTINGS has no stream");
    this.#patience.idleFrame();
    if ((flags & frames.ACK) !== 0) {
      if (payload.length > 0) {
        throw new ConnectionViolation(FRAME_SIZE_ERROR, "an acknowledgement is empty");
      }
      this.#acknowledged = true;
      return;
    }
    const { initialWindow, smallerTable } = readSettings(payload);
    this.#owesTableUpdate ||= smallerTable;
    this.#acks.push(SETTINGS_ACK);
    if (initialWindow === undefined || initialWindow === this.#initialSendWindow) return;
    this.#patience.windowChange(this.#streams.size);
    // What the new window lets go must not come before its acknowledgement.
    this.#sendAcks();
    const more = initialWindow - this.#initialSendWindow;
    this.#initialSendWindow = initialWindow;
    for (const stream of this.#streams.values()) {
      if (!stream.widen(more)) {
        throw new ConnectionViolation(FLOW_CONTROL_ERROR, "a window has at most 31 bits");
      }
    }
  }

  #takePing(flags: number, streamId: number, payload: Uint8Array): void {
    if (streamId !== 0) throw new ConnectionViolation(PROTOCOL_ERROR, "PING has no stream");
    if (payload.length !== 8) throw new ConnectionViolation(FRAME_SIZE_ERROR, "PING has 8 bytes");
    this.#patience.idleFrame();
    if ((flags & frames.ACK) === 0) {
      this.#acks.push(frames.encodeFrame(frames.PING, frames.ACK, 0, payload));
      return;
    }
    const answered = this.#onPong;
    this.#onPong = undefined;
    answered?.();
  }

  /** Resets a stream for what its client did. */
  #refuse(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.reset(streamId, code);
    else stream.reset(code);
  }

  #notIdle(streamId: number): void {
    if (streamId > this.#lastStreamId || streamId % 2 === 0) {
      throw new ConnectionViolation(PROTOCOL_ERROR, "the stream was not opened");
    }
  }

  #pumpWaiting(): void {
    // Those that wait again come behind the others.
    for (let left = this.#waiting.size; left > 0 && this.allowance() > 0; left--) {
      const [stream] = this.#waiting;
      if (stream === undefined) return;
      this.#waiting.delete(stream);
      stream.pump();
    }
  }

  #widen(streamId: number, bytes: number): void {
    this.output.add(frames.encodeNumberFrame(frames.WINDOW_UPDATE, streamId, bytes));
  }

  /** @param rule that was broken, for the client's log (RFC 9113 §6.8) */
  #goAway(code: number, rule = ""): void {
    if (this.#state === "preface") return;
    const payload = Buffer.alloc(8 + rule.length);
    payload.write(rule, 8, "latin1");
    payload.writeUInt32BE(this.#lastTaken, 0);
    payload.writeUInt32BE(code, 4);
    this.output.add(frames.encodeFrame(frames.GOAWAY, 0, 0, payload));
  }

  /** The client opens no further streams, and none is open: most close their socket in the same breath. */
  #leave(): void {
    if (this.output.heldBytes > 0) return;
    this.#state = "ended";
    this.#acks = [];
    this.#reader.stop();
    this.#socket.destroy();
  }

  /** Nothing more is read; the socket closes when it has taken what there is. */
  #end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#reader.stop();
    this.#closeStreams();
    this.#socket.once("finish", () => this.#socket.destroy());
    this.output.end();
  }

  #closed(): void {
    this.#state = "ended";
    this.#reader.stop();
    this.#closeStreams();
    this.#owner.onClose();
  }

  #closeStreams(): void {
    for (const stream of this.#streams.values()) stream.close();
  }
}

function onStream(streamId: number): void {
  if (streamId === 0) throw new ConnectionViolation(PROTOCOL_ERROR, "the frame has no stream");
}

function dependsOnItself(flags: number, streamId: number, payload: Uint8Array): boolean {
  if ((flags & frames.HAS_PRIORITY) === 0) return false;
  return frames.uint31(payload, (flags & frames.PADDED) === 0 ? 0 : 1) === streamId;
}

const PING_DATA = Buffer.from("assay   ", "latin1");
const SETTINGS_ACK = frames.encodeFrame(frames.SETTINGS, frames.ACK, 0, new Uint8Array(0));
