/** HTTP/2 by hand: frames, HPACK with every form chosen by the test, and a client that sees single frames. */
import { type Socket, connect } from "node:net";
import { decodeHeaderBlock } from "../../../src/rpc/http2/hpack/header-block.ts";
import { CODE_LENGTHS } from "../../../src/rpc/http2/hpack/huffman.ts";
import { HpackTable } from "../../../src/rpc/http2/hpack/table.ts";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** What a HEADERS frame of the server says. */
  readonly headers?: ReadonlyMap<string, string>;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function splitFrames(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= 9) {
    const length = bytes.readUIntBE(at, 3);
    if (bytes.length - at < 9 + length) break;
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      streamId: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

export function integer(value: number, prefixBits: number, pattern: number): Buffer {
  const max = (1 << prefixBits) - 1;
  if (value < max) return Buffer.of(pattern | value);
  const bytes = [pattern | max];
  let rest = value - max;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

const CODES = canonicalCodes();

function canonicalCodes(): string[] {
  const order = CODE_LENGTHS.map((length, symbol) => ({ length, symbol })).sort(
    (a, b) => a.length - b.length || a.symbol - b.symbol,
  );
  const codes: string[] = [];
  let code = 0;
  let last = 0;
  for (const { length, symbol } of order) {
    code *= 2 ** (length - last);
    last = length;
    codes[symbol] = code.toString(2).padStart(length, "0");
    code++;
  }
  return codes;
}

export function huffman(text: string): Buffer {
  let bits = "";
  for (const byte of Buffer.from(text, "latin1")) bits += CODES[byte] ?? "";
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

export function string(text: string, coded = false): Buffer {
  const bytes = coded ? huffman(text) : Buffer.from(text, "latin1");
  return Buffer.concat([integer(bytes.length, 7, coded ? 0x80 : 0), bytes]);
}

/** How a header is written; `index` only where a table has the whole header, otherwise as `incremental`. */
export interface Form {
  readonly as: "index" | "incremental" | "plain" | "never";
  readonly coded: boolean;
  /** Take the name from a table where there is one. */
  readonly nameIndex: boolean;
}

export type Header = readonly [name: string, value: string];

/** A client's HPACK encoder with its own idea of the dynamic table. */
export class Encoder {
  readonly #table: Header[] = [];
  #maxBytes = 4096;

  resize(maxBytes: number): Buffer {
    this.#maxBytes = maxBytes;
    this.#evict();
    return integer(maxBytes, 5, 0x20);
  }

  encode([name, value]: Header, form: Form): Buffer {
    const whole = this.#find(name, value);
    if (form.as === "index" && whole > 0) return integer(whole, 7, 0x80);
    const [prefix, pattern]: [number, number] =
      form.as === "never" ? [4, 0x10] : form.as === "plain" ? [4, 0] : [6, 0x40];
    const named = form.nameIndex ? this.#find(name) : 0;
    if (pattern === 0x40) {
      this.#table.unshift([name, value]);
      this.#evict();
    }
    return Buffer.concat([
      integer(named, prefix, pattern),
      named === 0 ? string(name, form.coded) : Buffer.alloc(0),
      string(value, form.coded),
    ]);
  }

  block(headers: readonly Header[], form: Form | ((at: number) => Form)): Buffer {
    return Buffer.concat(
      headers.map((header, at) =>
        this.encode(header, typeof form === "function" ? form(at) : form),
      ),
    );
  }

  #find(name: string, value?: string): number {
    const fits = ([n, v]: Header): boolean => n === name && (value === undefined || v === value);
    const inStatic = STATIC.findIndex(fits);
    if (inStatic >= 0) return inStatic + 1;
    const own = this.#table.findIndex(fits);
    return own < 0 ? 0 : 62 + own;
  }

  #evict(): void {
    let bytes = 0;
    const keep = this.#table.findIndex(
      ([n, v]) => (bytes += n.length + v.length + 32) > this.#maxBytes,
    );
    if (keep >= 0) this.#table.length = keep;
  }
}

export const PLAIN: Form = { as: "plain", coded: false, nameIndex: true };
export const INCREMENTAL: Form = { as: "incremental", coded: false, nameIndex: true };
export const INDEX: Form = { as: "index", coded: false, nameIndex: true };

/** The first entries of RFC 7541 appendix A, enough to refer to; `host` apart. */
const STATIC: Header[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
];

export function request(path: string, authority?: string): Header[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    ...(authority === undefined ? [] : ([[":authority", authority]] satisfies Header[])),
    [":path", path],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
}

/** One uncompressed gRPC message. */
export function message(bytes: Uint8Array | string): Buffer {
  const body = Buffer.from(bytes as string);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export class RawClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Acknowledge SETTINGS as they come. */
  acknowledge = true;
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #wake: (() => void)[] = [];
  readonly #table = new HpackTable();

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("data", (chunk: Buffer) => {
      const { frames, rest } = splitFrames(Buffer.concat([this.#rest, chunk]));
      this.#rest = rest;
      for (const one of frames) {
        if (one.type === SETTINGS && (one.flags & 1) === 0 && this.acknowledge) {
          this.socket.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)));
        }
      }
      this.frames.push(...frames.map((one) => this.#decoded(one)));
      this.#notify();
    });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.closed = true;
      this.#notify();
    });
  }

  write(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Preface and empty SETTINGS. */
  hello(): void {
    this.write(PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0)));
  }

  /** Waits until a frame fits; undefined when the connection closes first. */
  async until(fits: (one: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found !== undefined || this.closed) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** `ok` for an answered stream, or how it was refused. */
  async outcome(streamId: number): Promise<string> {
    const end = await this.until(
      ({ type, flags, streamId: id }) =>
        type === GOAWAY ||
        (id === streamId && (type === RST_STREAM || (type <= HEADERS && (flags & 1) !== 0))),
    );
    if (end === undefined) return "closed";
    if (end.type === RST_STREAM) return `reset ${end.payload.readUInt32BE(0)}`;
    if (end.type === GOAWAY) return `goaway ${end.payload.readUInt32BE(4)}`;
    return "ok";
  }

  /** One of the headers that ended a stream, or how it ended without any. */
  async trailer(streamId: number, name = "grpc-status"): Promise<string> {
    const end = await this.until(
      (f) => f.streamId === streamId && (f.type === RST_STREAM || (f.flags & 1) !== 0),
    );
    if (end?.type === RST_STREAM) return `reset ${end.payload.readUInt32BE(0)}`;
    return end === undefined ? "closed" : (end.headers?.get(name) ?? "none");
  }

  destroy(): void {
    this.socket.destroy();
  }

  #decoded(one: Frame): Frame {
    if (one.type !== HEADERS) return one;
    const bounds = { maxBytes: 1 << 20, maxFields: 1_000 };
    const fields = decodeHeaderBlock(one.payload, this.#table, bounds) ?? [];
    const headers = new Map<string, string>();
    for (let i = 0; i < fields.length; i += 2) headers.set(fields[i] ?? "", fields[i + 1] ?? "");
    return { ...one, headers };
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }
}
