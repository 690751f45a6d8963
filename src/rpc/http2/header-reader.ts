import {
  COMPRESSION_ERROR,
  ConnectionViolation,
  ENHANCE_YOUR_CALM,
  PROTOCOL_ERROR,
} from "./error-code.ts";
import { type HeaderBounds, decodeHeaderBlock } from "./hpack/header-block.ts";
import { HpackTable } from "./hpack/table.ts";

export interface HeaderReaderBounds extends HeaderBounds {
  /** Streams whose reset is remembered. */
  readonly maxResets: number;
}

/** Header blocks of one connection: put together from their frames and decoded, in order (RFC 9113 §4.3). */
export class HeaderReader {
  readonly #bounds: HeaderReaderBounds;
  readonly #table = new HpackTable();
  #unfinished: Unfinished | undefined;
  /** The streams that were reset last: what their client had sent before it knew is no fault. */
  readonly #resets = new Set<number>();

  constructor(bounds: HeaderReaderBounds) {
    this.#bounds = bounds;
  }

  /** The next frame is a CONTINUATION. */
  get continues(): boolean {
    return this.#unfinished !== undefined;
  }

  begin(streamId: number, ended: boolean, fragment: Uint8Array): void {
    this.#unfinished = {
      streamId,
      ended,
      parts: [Uint8Array.from(fragment)],
      bytes: fragment.length,
    };
  }

  /** @throws ConnectionViolation when no block of that stream goes on, or it gets too long */
  add(streamId: number, fragment: Uint8Array): { readonly ended: boolean } {
    const unfinished = this.#unfinished;
    if (unfinished?.streamId !== streamId) {
      throw new ConnectionViolation(PROTOCOL_ERROR, "CONTINUATION goes on with nothing");
    }
    unfinished.bytes += fragment.length;
    if (unfinished.bytes > MAX_BLOCK_BYTES || unfinished.parts.length >= MAX_PARTS) {
      throw new ConnectionViolation(ENHANCE_YOUR_CALM, "a header block is too long");
    }
    if (fragment.length > 0) unfinished.parts.push(Uint8Array.from(fragment));
    return unfinished;
  }

  finish(): Uint8Array {
    const block = Buffer.concat(this.#unfinished?.parts ?? []);
    this.#unfinished = undefined;
    return block;
  }

  /** Names and values in turn; undefined when they are too large. @throws ConnectionViolation when it is no HPACK */
  decode(block: Uint8Array): readonly string[] | undefined {
    try {
      return decodeHeaderBlock(block, this.#table, this.#bounds);
    } catch (thrown) {
      throw new ConnectionViolation(COMPRESSION_ERROR, (thrown as Error).message);
    }
  }

  noteReset(streamId: number): void {
    this.#resets.add(streamId);
    if (this.#resets.size <= this.#bounds.maxResets) return;
    for (const oldest of this.#resets) {
      this.#resets.delete(oldest);
      return;
    }
  }

  wasReset(streamId: number): boolean {
    return this.#resets.has(streamId);
  }
}

interface Unfinished {
  readonly streamId: number;
  readonly ended: boolean;
  readonly parts: Uint8Array[];
  bytes: number;
}

/** Compressed; twice what the largest header list may be. */
const MAX_BLOCK_BYTES = 64 * 1024;
/** Of a block; four would do for what fits into it. */
const MAX_PARTS = 64;
