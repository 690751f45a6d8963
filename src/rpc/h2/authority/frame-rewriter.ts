import { mendAuthority } from "./authority.ts";
import {
  ACK,
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  HEADERS,
  MAX_FRAME_PAYLOAD,
  PREFACE,
  SETTINGS,
  encodeFrameHeader,
  headersFragment,
  readFrameHeader,
} from "./frame-header.ts";
import { decodeHeaderBlock, encodeHeaderBlock } from "./header-block.ts";
import { HpackTable } from "./hpack-table.ts";

export interface FrameRewriterOptions {
  /** Leave the first acknowledgement of SETTINGS out: it answers a frame that nghttp2 did not send. */
  readonly dropSettingsAck: boolean;
}

/**
 * Passes one client's bytes on with every request's `:authority` mended, for the connection's whole life.
 *
 * Each header block is decoded with the client's dynamic table, which is kept here, and written anew as literals that
 * touch no table. nghttp2's table stays empty, so no later index of the client can mean something else to it. Every
 * other frame goes through as it is, in the pieces it comes in. What breaks HTTP/2 is nghttp2's to refuse.
 */
export class FrameRewriter {
  readonly #table = new HpackTable();
  #dropAck: boolean;
  /** Bytes that go through unread: the preface, then the rest of a frame that is none of ours. */
  #passing = PREFACE.length;
  #kept: Uint8Array = NOTHING;
  #block: HeaderBlock | undefined;
  #lastStreamId = 0;
  #broken = false;

  constructor(options: FrameRewriterOptions) {
    this.#dropAck = options.dropSettingsAck;
  }

  /** Returns what goes on, in order. */
  push(chunk: Uint8Array): Uint8Array[] {
    let rest = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = NOTHING;
    const out: Uint8Array[] = [];
    while (rest.length > 0) {
      const taken = this.#broken ? rest.length : this.#passing;
      if (taken > 0) {
        out.push(rest.subarray(0, taken));
        this.#passing -= Math.min(taken, this.#passing, rest.length);
        rest = rest.subarray(taken);
        continue;
      }
      const length = this.#frame(rest, out);
      if (length === undefined) {
        this.#kept = rest;
        break;
      }
      rest = rest.subarray(length);
    }
    return out;
  }

  /** Deals with the frame at the start of `bytes`; returns how much it took, undefined when more must come first. */
  #frame(bytes: Uint8Array, out: Uint8Array[]): number | undefined {
    if (bytes.length < FRAME_HEADER_BYTES) return undefined;
    const header = readFrameHeader(bytes, 0);
    const end = FRAME_HEADER_BYTES + header.length;
    if (!this.#isExpected(header)) return this.#giveUp(out, this.#block?.raw ?? []);
    if (header.type === SETTINGS && (header.flags & ACK) !== 0 && this.#dropAck) {
      if (bytes.length < end) return undefined;
      this.#dropAck = false;
      return end;
    }
    if (header.type !== HEADERS && header.type !== CONTINUATION) {
      this.#passing = end;
      return 0;
    }
    if (bytes.length < end) return undefined;
    this.#gather(header, bytes.subarray(0, end), out);
    return end;
  }

  /** False where HTTP/2 is broken: a frame too long, a header block cut into by or continued without another frame. */
  #isExpected(header: FrameHeader): boolean {
    if (header.length > MAX_FRAME_PAYLOAD) return false;
    if (this.#block === undefined) return header.type !== CONTINUATION;
    return header.type === CONTINUATION && header.streamId === this.#block.streamId;
  }

  #gather(header: FrameHeader, frame: Uint8Array, out: Uint8Array[]): void {
    const payload = frame.subarray(FRAME_HEADER_BYTES);
    const fragment = header.type === HEADERS ? headersFragment(payload, header.flags) : payload;
    if (fragment === undefined) {
      this.#giveUp(out, [frame]);
      return;
    }
    this.#block ??= {
      streamId: header.streamId,
      endStream: header.flags & END_STREAM,
      fragments: [],
      raw: [],
      bytes: 0,
    };
    const block = this.#block;
    block.fragments.push(Buffer.from(fragment));
    block.raw.push(Buffer.from(frame));
    block.bytes += frame.length;
    if (block.bytes > MAX_BLOCK_BYTES) this.#giveUp(out, [poison(block)]);
    else if ((header.flags & END_HEADERS) !== 0) this.#rewrite(block, out);
  }

  #rewrite(block: HeaderBlock, out: Uint8Array[]): void {
    this.#block = undefined;
    let fields: ReturnType<typeof mendAuthority>;
    try {
      fields = decodeHeaderBlock(Buffer.concat(block.fragments), this.#table);
    } catch {
      // Malformed HPACK ends the connection (RFC 9113 §4.3); nghttp2 does it, and tells the client why.
      this.#giveUp(out, [poison(block)]);
      return;
    }
    const isRequest = block.streamId > this.#lastStreamId;
    if (isRequest) this.#lastStreamId = block.streamId;
    out.push(...encodeBlock(block, encodeHeaderBlock(isRequest ? mendAuthority(fields) : fields)));
  }

  #giveUp(out: Uint8Array[], frames: readonly Uint8Array[]): 0 {
    out.push(...frames);
    this.#block = undefined;
    this.#broken = true;
    return 0;
  }
}

interface HeaderBlock {
  readonly streamId: number;
  readonly endStream: number;
  readonly fragments: Uint8Array[];
  readonly raw: Uint8Array[];
  bytes: number;
}

/** One HEADERS frame and as many CONTINUATION frames as the block needs. */
function encodeBlock({ streamId, endStream }: HeaderBlock, block: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_PAYLOAD) {
    const payload = block.subarray(at, at + MAX_FRAME_PAYLOAD);
    const last = at + payload.length >= block.length ? END_HEADERS : 0;
    frames.push(
      encodeFrameHeader({
        length: payload.length,
        type: at === 0 ? HEADERS : CONTINUATION,
        flags: last | (at === 0 ? endStream : 0),
        streamId,
      }),
      payload,
    );
  }
  return frames;
}

/** A header block that refers to entry 0, which no table has: nghttp2 answers with GOAWAY(COMPRESSION_ERROR). */
function poison(block: HeaderBlock): Uint8Array {
  return Buffer.concat(encodeBlock(block, Buffer.of(0x80)));
}

const NOTHING = new Uint8Array(0);
/** The frames of one header block together; the server announces half of it as its limit for decoded headers. */
const MAX_BLOCK_BYTES = 64 * 1024;
