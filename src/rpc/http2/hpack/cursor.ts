import { fail } from "../../../base/errors.ts";
import { decodeHuffman } from "./huffman.ts";

/** Reads HPACK's integers and strings from one header block (RFC 7541 §5); throws `invalid` at every malformed one. */
export class HpackCursor {
  readonly #block: Uint8Array;
  #at = 0;

  constructor(block: Uint8Array) {
    this.#block = block;
  }

  get done(): boolean {
    return this.#at >= this.#block.length;
  }

  /** The byte that says what comes next; nothing is taken. */
  peek(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw fail("invalid", "the header block ends too early");
    return byte;
  }

  /** An integer whose first `prefixBits` bits are the low ones of the next byte (RFC 7541 §5.1). */
  integer(prefixBits: number): number {
    const max = (1 << prefixBits) - 1;
    let value = this.#take() & max;
    if (value < max) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#take();
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_INTEGER || shift > MAX_SHIFT) {
        throw fail("invalid", "an integer of the header block is too long");
      }
      if ((byte & 0x80) === 0) return value;
    }
  }

  /** A string, one character per byte (RFC 7541 §5.2). */
  string(): string {
    const huffman = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw fail("invalid", "the header block ends within a string");
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    return huffman ? decodeHuffman(bytes) : latin1(bytes);
  }

  #take(): number {
    const byte = this.peek();
    this.#at++;
    return byte;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Far above any index or length that a block within its bounds can hold. */
const MAX_INTEGER = 2 ** 24;
/** Four bytes after the prefix; zeros in front of nothing are no reason to read on. */
const MAX_SHIFT = 28;
