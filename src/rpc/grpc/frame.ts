import { fail } from "../../base/errors.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";

/**
 * gRPC's length-prefixed message: one compression byte, four length bytes, the message
 * (gRPC over HTTP2, "Length-Prefixed-Message"). Encode a view once and send the same frame to every stream.
 */
export function encodeFrame(message: Uint8Array): Uint8Array {
  return filled(Buffer.allocUnsafeSlow(PREFIX_BYTES + message.length), message);
}

/** The same for a frame that goes out once: small ones share memory with others, which is cheaper than their own. */
export function encodeFrameOnce(message: Uint8Array): Uint8Array {
  return filled(Buffer.allocUnsafe(PREFIX_BYTES + message.length), message);
}

function filled(frame: Buffer, message: Uint8Array): Uint8Array {
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** True when `frame` is exactly one uncompressed message with its prefix. */
export function isFrame(frame: Uint8Array): boolean {
  return (
    frame.length >= PREFIX_BYTES &&
    frame[0] === 0 &&
    lengthAt(frame, 1) === frame.length - PREFIX_BYTES
  );
}

/** The message of one whole frame; shares its memory. */
export function messageOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(PREFIX_BYTES);
}

/** The same, without pinning a read buffer that is much larger. */
export function ownMessageOf(frame: Uint8Array): Uint8Array {
  const message = messageOf(frame);
  return frame.buffer.byteLength > 2 * frame.length + SMALL_BYTES
    ? Uint8Array.from(message)
    : message;
}

/**
 * Puts messages together from DATA payloads cut anywhere.
 * `onMessage` gets each whole message; throws `unsupported` for a compressed one unless they are taken, `limited` for
 * one that is too long.
 */
export class MessageAssembler {
  readonly #onMessage: (message: Uint8Array, compressed: boolean) => void;
  readonly #maxBytes: number;
  readonly #takesCompressed: boolean;
  #prefix: Uint8Array = EMPTY;
  #prefixLength = 0;
  #length = 0;
  #body: Uint8Array = EMPTY;
  #bodyLength = 0;

  constructor(
    onMessage: (message: Uint8Array, compressed: boolean) => void,
    options: { readonly maxBytes?: number; readonly compressed?: boolean } = {},
  ) {
    this.#onMessage = onMessage;
    this.#maxBytes = options.maxBytes ?? MAX_REQUEST_BYTES;
    this.#takesCompressed = options.compressed ?? false;
  }

  /** Bytes kept of an unfinished message; 0 between messages. */
  get heldBytes(): number {
    return this.#prefixLength + this.#body.length;
  }

  push(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (
        this.#prefixLength === 0 &&
        isFrame(rest) &&
        rest.length - PREFIX_BYTES <= this.#maxBytes
      ) {
        this.#onMessage(ownMessageOf(rest), false);
        return;
      }
      rest = this.#prefixLength < PREFIX_BYTES ? this.#takePrefix(rest) : this.#takeBody(rest);
    }
  }

  #takePrefix(chunk: Uint8Array): Uint8Array {
    if (this.#prefix.length === 0) this.#prefix = new Uint8Array(PREFIX_BYTES);
    const take = Math.min(PREFIX_BYTES - this.#prefixLength, chunk.length);
    this.#prefix.set(chunk.subarray(0, take), this.#prefixLength);
    this.#prefixLength += take;
    if (this.#prefixLength === PREFIX_BYTES) {
      checkFlag(this.#prefix[0] ?? 0, this.#takesCompressed);
      this.#length = lengthAt(this.#prefix, 1);
      if (this.#length > this.#maxBytes) {
        throw fail("limited", `a request message has at most ${this.#maxBytes} bytes`);
      }
      if (this.#length === 0) this.#complete();
    }
    return chunk.subarray(take);
  }

  #takeBody(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, this.#length - this.#bodyLength);
    this.#reserve(this.#bodyLength + part.length);
    this.#body.set(part, this.#bodyLength);
    this.#bodyLength += part.length;
    if (this.#bodyLength === this.#length) this.#complete();
    return chunk.subarray(part.length);
  }

  /** Copies rather than keeps the pieces: a piece of one byte would pin the whole buffer it was read into. */
  #reserve(needed: number): void {
    if (needed <= this.#body.length) return;
    const grown = new Uint8Array(Math.min(this.#length, Math.max(needed, this.#body.length * 2)));
    grown.set(this.#body.subarray(0, this.#bodyLength));
    this.#body = grown;
  }

  #complete(): void {
    const message = this.#body;
    this.#body = EMPTY;
    this.#bodyLength = 0;
    this.#prefixLength = 0;
    this.#onMessage(message, this.#prefix[0] === 1);
  }
}

function checkFlag(flag: number, takesCompressed: boolean): void {
  if (flag === 0 || (flag === 1 && takesCompressed)) return;
  if (flag === 1) {
    throw fail("unsupported", "compressed messages are not supported, send grpc-encoding identity");
  }
  throw fail("invalid", "the first byte of a message is 0 or 1");
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x1000000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  );
}

const PREFIX_BYTES = 5;
const SMALL_BYTES = 1024;
const EMPTY = new Uint8Array(0);
