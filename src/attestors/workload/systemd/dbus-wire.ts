/**
 * The D-Bus wire format (D-Bus Specification, "Message Protocol"): method calls with texts and 32-bit numbers out,
 * in little endian; any message in, in either byte order. It reads what those calls are answered with and no more.
 */
import { fail } from "../../../base/errors.ts";

export interface DbusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** A number is sent as UINT32. */
  readonly args: readonly (string | number)[];
}

export interface DbusMessage {
  readonly kind: "call" | "return" | "error" | "signal";
  /** Of the call that it answers. */
  readonly replySerial?: number;
  readonly errorName?: string;
  /** Of the body; empty without one. */
  readonly signature: string;
  readonly body: Uint8Array;
  readonly littleEndian: boolean;
}

/** One method call. @param serial 1 to 2^32 - 1 */
export function encodeCall(call: DbusCall, serial: number): Uint8Array {
  const body = new Writer();
  for (const arg of call.args) {
    if (typeof arg === "string") body.text(arg);
    else body.count(arg);
  }
  const signature = call.args.map((arg) => (typeof arg === "string" ? "s" : "u")).join("");
  const fields = new Writer();
  const field = (code: number, type: string, value: string): void => {
    fields.align(8);
    fields.byte(code);
    fields.signature(type);
    if (type === "g") fields.signature(value);
    else fields.text(value);
  };
  field(FIELD.path, "o", call.path);
  field(FIELD.interface, "s", call.interface);
  field(FIELD.member, "s", call.member);
  field(FIELD.destination, "s", call.destination);
  if (signature !== "") field(FIELD.signature, "g", signature);
  const head = new Writer();
  for (const byte of [LITTLE, KINDS.indexOf("call"), 0, VERSION]) head.byte(byte);
  head.count(body.length);
  head.count(serial);
  head.count(fields.length);
  head.raw(fields.bytes());
  head.align(8);
  head.raw(body.bytes());
  return head.bytes();
}

/**
 * Bytes of the whole message that begins here; `undefined` while fewer than `FIXED_HEADER` are there.
 * @throws invalid when it is none, or longer than `MAX_MESSAGE`
 */
export function messageLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < FIXED_HEADER) return undefined;
  const littleEndian = isLittleEndian(bytes);
  const view = viewOf(bytes);
  const body = view.getUint32(4, littleEndian);
  const fields = view.getUint32(12, littleEndian);
  const length = align(FIXED_HEADER + fields, 8) + body;
  if (length > MAX_MESSAGE) {
    throw fail("invalid", `a message on the bus is longer than ${MAX_MESSAGE} bytes`);
  }
  return length;
}

/** @param bytes exactly one message. @throws invalid */
export function decodeMessage(bytes: Uint8Array): DbusMessage {
  const littleEndian = isLittleEndian(bytes);
  const kind = KINDS[bytes[1] ?? 0];
  if (kind === undefined || bytes[3] !== VERSION) throw malformed();
  const reader = new Reader(bytes, littleEndian, 12);
  const fieldsEnd = reader.count() + FIXED_HEADER;
  let replySerial: number | undefined;
  let errorName: string | undefined;
  let signature = "";
  while (reader.at < fieldsEnd) {
    reader.align(8);
    const code = reader.byte();
    const value = reader.basic(reader.signature());
    if (code === FIELD.replySerial && typeof value === "number") replySerial = value;
    if (code === FIELD.errorName && typeof value === "string") errorName = value;
    if (code === FIELD.signature && typeof value === "string") signature = value;
  }
  if (reader.at !== fieldsEnd) throw malformed();
  return {
    kind,
    ...(replySerial === undefined ? {} : { replySerial }),
    ...(errorName === undefined ? {} : { errorName }),
    signature,
    body: bytes.subarray(align(fieldsEnd, 8)),
    littleEndian,
  };
}

/** The text (or object path) that a message consists of, in a variant or not. @throws invalid */
export function textOf(message: DbusMessage): string {
  const value = firstOf(message);
  if (typeof value !== "string") throw malformed();
  return value;
}

/** The UINT32 that a message consists of. @throws invalid */
export function countOf(message: DbusMessage): number {
  const value = firstOf(message);
  if (typeof value !== "number") throw malformed();
  return value;
}

function firstOf({ body, littleEndian, signature }: DbusMessage): string | number {
  const reader = new Reader(body, littleEndian, 0);
  const value = reader.basic(signature === "v" ? reader.signature() : signature);
  if (reader.at !== body.length) throw malformed();
  return value;
}

class Writer {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  align(to: number): void {
    while (this.#bytes.length % to !== 0) this.#bytes.push(0);
  }

  byte(value: number): void {
    this.#bytes.push(value);
  }

  count(value: number): void {
    this.align(4);
    this.#bytes.push(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
  }

  text(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    this.count(bytes.length);
    this.#bytes.push(...bytes, 0);
  }

  signature(value: string): void {
    this.#bytes.push(value.length, ...Buffer.from(value, "latin1"), 0);
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.push(...bytes);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

class Reader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;

  constructor(bytes: Uint8Array, littleEndian: boolean, at: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#littleEndian = littleEndian;
    this.at = at;
  }

  align(to: number): void {
    this.at = align(this.at, to);
  }

  byte(): number {
    return this.#take(1)[0] ?? 0;
  }

  count(): number {
    this.align(4);
    const { at } = this;
    this.#take(4);
    return this.#view.getUint32(at, this.#littleEndian);
  }

  signature(): string {
    return this.#terminated(this.byte(), "latin1");
  }

  /** A value of the type; others than texts, paths, signatures and UINT32 are no answer to anything asked here. */
  basic(type: string): string | number {
    if (type === "u") return this.count();
    if (type === "g") return this.signature();
    if (type === "s" || type === "o") return this.#terminated(this.count(), "utf8");
    throw malformed();
  }

  #terminated(length: number, encoding: "latin1" | "utf8"): string {
    const bytes = this.#take(length);
    if (this.byte() !== 0) throw malformed();
    const text = Buffer.from(bytes).toString(encoding);
    if (text.includes("\0") || text.includes("\u{fffd}")) throw malformed();
    return text;
  }

  #take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.#bytes.length) throw malformed();
    const taken = this.#bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}

function isLittleEndian(bytes: Uint8Array): boolean {
  if (bytes[0] === LITTLE) return true;
  if (bytes[0] === BIG) return false;
  throw malformed();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(at: number, to: number): number {
  return Math.ceil(at / to) * to;
}

function malformed(): Error {
  return fail("invalid", "a message on the bus is not as D-Bus writes it");
}

/** Up to the length of the header fields, which is its last part. */
const FIXED_HEADER = 16;
/** What is asked here is answered with names; D-Bus itself allows 128 MiB. */
const MAX_MESSAGE = 64 * 1024;
const VERSION = 1;
const LITTLE = 0x6c;
const BIG = 0x42;
const KINDS = [undefined, "call", "return", "error", "signal"] as const;
const FIELD = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  signature: 8,
} as const;
