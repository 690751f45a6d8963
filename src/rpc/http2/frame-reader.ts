import { ConnectionViolation, FRAME_SIZE_ERROR, PROTOCOL_ERROR } from "./error-code.ts";
import {
  FRAME_HEADER_BYTES,
  MAX_FRAME_PAYLOAD,
  PREFACE,
  payloadLength,
  uint31,
} from "./frame-header.ts";

/** One whole frame; `payload` shares the memory that it was read into. */
export type OnFrame = (type: number, flags: number, streamId: number, payload: Uint8Array) => void;

/**
 * Cuts a client's bytes into frames, behind its preface. Of a frame that is not whole, its own bytes are kept and no
 * others, so that a piece of one byte pins no read buffer.
 */
export class FrameReader {
  readonly #onPreface: () => void;
  readonly #onFrame: OnFrame;
  #prefaceSeen = 0;
  #partial: Uint8Array | undefined;
  #have = 0;
  #stopped = false;

  constructor(onPreface: () => void, onFrame: OnFrame) {
    this.#onPreface = onPreface;
    this.#onFrame = onFrame;
  }

  /** Nothing more is read, not even what is left of the present chunk. */
  stop(): void {
    this.#stopped = true;
    this.#partial = undefined;
  }

  /** @throws ConnectionViolation for a wrong preface and for a frame above 16,384 bytes; what `onFrame` throws */
  push(chunk: Uint8Array): void {
    let at = this.#prefaceSeen < PREFACE.length ? this.#takePreface(chunk) : 0;
    if (this.#partial !== undefined) at = this.#complete(chunk, at);
    while (!this.#stopped && chunk.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + checkedLength(chunk, at);
      if (end > chunk.length) break;
      this.#emit(chunk, at, end);
      at = end;
    }
    if (!this.#stopped && at < chunk.length) this.#keep(chunk, at);
  }

  #takePreface(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && this.#prefaceSeen < PREFACE.length) {
      if (chunk[at] !== PREFACE[this.#prefaceSeen]) {
        throw new ConnectionViolation(PROTOCOL_ERROR, "the connection does not begin as HTTP/2");
      }
      at += 1;
      this.#prefaceSeen += 1;
    }
    if (this.#prefaceSeen === PREFACE.length) this.#onPreface();
    return at;
  }

  #keep(chunk: Uint8Array, at: number): void {
    const rest = chunk.length - at;
    const length =
      rest < FRAME_HEADER_BYTES
        ? FRAME_HEADER_BYTES
        : FRAME_HEADER_BYTES + payloadLength(chunk, at);
    const partial = new Uint8Array(length);
    partial.set(chunk.subarray(at));
    this.#partial = partial;
    this.#have = rest;
  }

  /** @returns where the chunk goes on behind the frame that was kept, its end when that is still not whole */
  #complete(chunk: Uint8Array, from: number): number {
    let at = from;
    let partial = this.#partial;
    while (partial !== undefined) {
      const take = Math.min(partial.length - this.#have, chunk.length - at);
      partial.set(chunk.subarray(at, at + take), this.#have);
      this.#have += take;
      at += take;
      if (this.#have < partial.length) return at;
      const whole = FRAME_HEADER_BYTES + checkedLength(partial, 0);
      if (partial.length === whole) {
        this.#partial = undefined;
        this.#emit(partial, 0, whole);
        return at;
      }
      const longer = new Uint8Array(whole);
      longer.set(partial);
      partial = longer;
      this.#partial = longer;
    }
    return at;
  }

  #emit(bytes: Uint8Array, at: number, end: number): void {
    this.#onFrame(
      bytes[at + 3] ?? 0,
      bytes[at + 4] ?? 0,
      uint31(bytes, at + 5),
      bytes.subarray(at + FRAME_HEADER_BYTES, end),
    );
  }
}

function checkedLength(bytes: Uint8Array, at: number): number {
  const length = payloadLength(bytes, at);
  if (length <= MAX_FRAME_PAYLOAD) return length;
  throw new ConnectionViolation(
    FRAME_SIZE_ERROR,
    `a frame has at most ${MAX_FRAME_PAYLOAD} bytes, this one ${length}`,
  );
}
