import { hasLegalAuthority } from "./authority.ts";
import {
  ACK,
  CONTINUATION,
  END_HEADERS,
  FRAME_HEADER_BYTES,
  HEADERS,
  MAX_FRAME_PAYLOAD,
  PREFACE,
  SETTINGS,
  headersFragment,
  readFrameHeader,
} from "./frame-header.ts";
import { decodeHeaderBlock } from "./header-block.ts";
import { HpackTable } from "./hpack-table.ts";

/**
 * The start of a client's bytes, kept until its first request's authority is known.
 * What breaks HTTP/2 counts as legal: it is nghttp2's to refuse.
 */
export class FirstRequest {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #block: Uint8Array[] | undefined;
  #authority: "legal" | "illegal" | undefined;
  #ackAt: number | undefined;

  /** Undefined until the first request's headers are whole. */
  get authority(): "legal" | "illegal" | undefined {
    return this.#authority;
  }

  /** An acknowledgement of SETTINGS is among the whole frames seen so far. */
  get hasSettingsAck(): boolean {
    return this.#ackAt !== undefined;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** All that came. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** All that came but the first acknowledgement of SETTINGS. */
  get bytesWithoutSettingsAck(): Buffer {
    if (this.#ackAt === undefined) return this.#bytes;
    return Buffer.concat([
      this.#bytes.subarray(0, this.#ackAt),
      this.#bytes.subarray(this.#ackAt + FRAME_HEADER_BYTES),
    ]);
  }

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#at === 0 && !this.#takePreface()) return;
    while (this.#takeFrame());
    if (this.#bytes.length > MAX_START_BYTES) this.#authority ??= "legal";
  }

  #takePreface(): boolean {
    const seen = this.#bytes.subarray(0, PREFACE.length);
    if (!PREFACE.subarray(0, seen.length).equals(seen)) this.#authority = "legal";
    if (this.#authority !== undefined || seen.length < PREFACE.length) return false;
    this.#at = PREFACE.length;
    return true;
  }

  #takeFrame(): boolean {
    if (this.#bytes.length < this.#at + FRAME_HEADER_BYTES) return false;
    const header = readFrameHeader(this.#bytes, this.#at);
    const from = this.#at + FRAME_HEADER_BYTES;
    if (header.length > MAX_FRAME_PAYLOAD) {
      this.#authority ??= "legal";
      return false;
    }
    if (this.#bytes.length < from + header.length) return false;
    if (header.type === SETTINGS && (header.flags & ACK) !== 0 && header.length === 0) {
      this.#ackAt ??= this.#at;
    }
    if (this.#authority === undefined) {
      this.#take(header.type, header.flags, this.#bytes.subarray(from, from + header.length));
    }
    this.#at = from + header.length;
    return true;
  }

  #take(type: number, flags: number, payload: Uint8Array): void {
    const continues = this.#block !== undefined;
    if (!continues && type !== HEADERS && type !== CONTINUATION) return;
    const fragment = type === HEADERS ? headersFragment(payload, flags) : payload;
    if (fragment === undefined || continues !== (type === CONTINUATION)) {
      this.#authority = "legal";
      return;
    }
    this.#block = [...(this.#block ?? []), fragment];
    if ((flags & END_HEADERS) !== 0) this.#authority = judge(Buffer.concat(this.#block));
  }
}

function judge(block: Uint8Array): "legal" | "illegal" {
  try {
    return hasLegalAuthority(decodeHeaderBlock(block, new HpackTable())) ? "legal" : "illegal";
  } catch {
    // Malformed HPACK: nghttp2 ends the connection and tells the client why.
    return "legal";
  }
}

/** So much may come before the first request is whole. */
const MAX_START_BYTES = 64 * 1024;
