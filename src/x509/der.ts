/**
 * A small strict DER reader and writer (ITU-T X.690), as much of it as certificates and requests need.
 *
 * The reader takes one canonical encoding of everything and refuses the rest with `invalid`: indefinite or
 * non-minimal lengths, tags above 30, negative or padded integers, unused bits that are set, trailing bytes. Two slips
 * that real authorities make and that cannot mislead are let through; `namedBitsOf` and `timeOf` name them.
 * It returns views into the input, which must not be written to afterwards.
 */
import type { EpochSeconds } from "../base/clock.ts";
import { type AssayError, fail } from "../base/errors.ts";

/** Identifier octets (X.690 §8.1.2), class and constructed bit included. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of `[number]`, constructed unless told otherwise. */
export function contextTag(number: number, constructed = true): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

export interface Tlv {
  readonly tag: number;
  /** Header and content. */
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
}

/** Reads the element at `offset`. @throws invalid */
export function readTlv(bytes: Uint8Array, offset = 0, what = "der"): Tlv {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) throw malformed(what, "is cut short");
  if ((tag & 0x1f) === 0x1f) throw malformed(what, "has a tag above 30");
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0) throw malformed(what, "has an indefinite length");
    if (count > MAX_LENGTH_BYTES) throw malformed(what, "is longer than 16 MiB");
    length = 0;
    for (let i = 0; i < count; i++) {
      const byte = bytes[start + i];
      if (byte === undefined) throw malformed(what, "is cut short");
      length = length * 256 + byte;
    }
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw malformed(what, "has a length that is not minimal");
    }
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw malformed(what, "is cut short");
  return { tag, raw: bytes.subarray(offset, end), content: bytes.subarray(start, end) };
}

/** Walks the elements of one constructed value, left to right. */
export class DerCursor {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #depth: number;
  #at = 0;

  /** @param what names the structure in error messages */
  constructor(bytes: Uint8Array, what: string, depth = 0) {
    if (depth > MAX_DEPTH) throw malformed(what, "is nested too deeply");
    this.#bytes = bytes;
    this.#what = what;
    this.#depth = depth;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next identifier octet; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** @throws invalid when the next element is missing or of another tag */
  read(tag: number): Tlv {
    if (this.nextTag !== tag) {
      const found = this.nextTag === undefined ? "the end" : `tag ${this.nextTag}`;
      throw malformed(this.#what, `has ${found} where tag ${tag} belongs`);
    }
    return this.readAny();
  }

  readAny(): Tlv {
    const tlv = readTlv(this.#bytes, this.#at, this.#what);
    this.#at += tlv.raw.length;
    return tlv;
  }

  optional(tag: number): Tlv | undefined {
    return this.nextTag === tag ? this.readAny() : undefined;
  }

  enter(tag: number, what: string = this.#what): DerCursor {
    return new DerCursor(this.read(tag).content, what, this.#depth + 1);
  }

  /** @throws invalid when anything is left */
  end(): void {
    if (!this.done) throw malformed(this.#what, "has trailing bytes");
  }
}

/** A cursor over the one element that `bytes` must be. @throws invalid */
export function openDer(bytes: Uint8Array, tag: number, what: string): DerCursor {
  const outer = new DerCursor(bytes, what);
  const inner = outer.enter(tag);
  outer.end();
  return inner;
}

/** The magnitude of a non-negative INTEGER without its sign byte. @throws invalid */
export function unsignedOf(tlv: Tlv, what: string): Uint8Array {
  const { content } = tlv;
  const first = content[0];
  if (first === undefined) throw malformed(what, "is an empty integer");
  if (first >= 0x80) throw malformed(what, "is negative");
  if (first === 0 && content.length > 1) {
    if ((content[1] ?? 0) < 0x80) throw malformed(what, "is an integer that is not minimal");
    return content.subarray(1);
  }
  return content;
}

/** A non-negative INTEGER below 2^31. @throws invalid */
export function smallUnsignedOf(tlv: Tlv, what: string): number {
  const bytes = unsignedOf(tlv, what);
  let value = 0;
  for (const byte of bytes.subarray(0, 5)) value = value * 256 + byte;
  if (bytes.length > 4 || value > 0x7fff_ffff) throw malformed(what, "is too large");
  return value;
}

/** X.690 §11.1: exactly 00 or FF. @throws invalid */
export function booleanOf(tlv: Tlv, what: string): boolean {
  const value = tlv.content[0];
  if (tlv.content.length !== 1 || (value !== 0 && value !== 0xff)) {
    throw malformed(what, "is not a der boolean");
  }
  return value === 0xff;
}

/** The bytes of a BIT STRING that is a whole number of octets. @throws invalid */
export function octetsOfBitString(tlv: Tlv, what: string): Uint8Array {
  if (tlv.content[0] !== 0) throw malformed(what, "has unused bits");
  return tlv.content.subarray(1);
}

/**
 * The positions of the set bits of a named bit list. Zero bits at its end, which X.690 §11.2.2 wants cut, are let
 * through: authorities in every trust store have them, and they change no meaning.
 * @throws invalid
 */
export function namedBitsOf(tlv: Tlv, what: string): number[] {
  const unused = tlv.content[0];
  const bytes = tlv.content.subarray(1);
  if (unused === undefined || unused > 7 || (bytes.length === 0 && unused !== 0)) {
    throw malformed(what, "is not a bit string");
  }
  if (((bytes.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0) {
    throw malformed(what, "has unused bits that are set");
  }
  const bits: number[] = [];
  bytes.forEach((byte, index) => {
    for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) bits.push(index * 8 + bit);
  });
  return bits;
}

/** Dotted decimal. @throws invalid */
export function oidOf(tlv: Tlv, what: string): string {
  const { content } = tlv;
  if (content.length === 0 || content.length > MAX_OID_BYTES || (content.at(-1) ?? 0) >= 0x80) {
    throw malformed(what, "is not an object identifier");
  }
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw malformed(what, "has an arc that is not minimal");
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw malformed(what, "has an arc that is too large");
    fresh = byte < 0x80;
    if (!fresh) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - root * 40);
    } else {
      arcs.push(arc);
    }
    arc = 0;
  }
  return arcs.join(".");
}

/** IA5String content of printable characters only: a NUL in a name is an attack, never a name. @throws invalid */
export function ia5Of(content: Uint8Array, what: string): string {
  for (const byte of content) {
    if (byte < 0x20 || byte > 0x7e)
      throw malformed(what, "holds characters that are not printable");
  }
  return Buffer.from(content.buffer, content.byteOffset, content.length).toString("latin1");
}

/**
 * A UTCTime (1950..2049) or GeneralizedTime to the second, in UTC (RFC 5280 §4.1.2.5). A GeneralizedTime before 2050,
 * which the standard forbids to write, is read: it is unambiguous, and authorities in every trust store have it.
 * @throws invalid
 */
export function timeOf(tlv: Tlv, what: string): EpochSeconds {
  const text = Buffer.from(tlv.content).toString("latin1");
  const general = tlv.tag === TAG.generalizedTime;
  const match = (general ? GENERALIZED_TIME : UTC_TIME).exec(text);
  if (match === null || (!general && tlv.tag !== TAG.utcTime)) {
    throw malformed(what, "is not a time in utc to the second");
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map(Number);
  const full = general ? year : year < 50 ? 2000 + year : 1900 + year;
  const date = new Date(0);
  date.setUTCFullYear(full, month - 1, day);
  date.setUTCHours(hour, minute, second);
  // Dates that do not exist roll over; they are refused by not coming back the same.
  if (compactTime(date) !== `${String(full).padStart(4, "0")}${text.slice(general ? 4 : 2)}`) {
    throw malformed(what, "is a date that does not exist");
  }
  return date.getTime() / 1000;
}

/** Any element: identifier octet and the parts of its content. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const count = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  const out = new Uint8Array(2 + count + length);
  out[0] = tag;
  out[1] = count === 0 ? length : 0x80 | count;
  for (let i = 0; i < count; i++) out[2 + i] = (length >>> (8 * (count - 1 - i))) & 0xff;
  let at = 2 + count;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function seq(...parts: readonly Uint8Array[]): Uint8Array {
  return element(TAG.sequence, ...parts);
}

/** SET OF, sorted as X.690 §11.6 demands. */
export function set(...parts: readonly Uint8Array[]): Uint8Array {
  return element(TAG.set, ...[...parts].sort((a, b) => Buffer.compare(a, b)));
}

/** A non-negative INTEGER from its magnitude, or from a small number; padding is added and trimmed as needed. */
export function integer(value: Uint8Array | number): Uint8Array {
  let bytes = typeof value === "number" ? bytesOfNumber(value) : value;
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  bytes = bytes.subarray(start);
  if (bytes.length === 0) bytes = ZERO;
  return (bytes[0] ?? 0) >= 0x80 ? element(TAG.integer, ZERO, bytes) : element(TAG.integer, bytes);
}

/** From dotted decimal; programmer input only. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    if (!Number.isSafeInteger(arc)) throw new TypeError(`'${dotted}' is not an object identifier`);
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift((left % 128) | 0x80);
    }
    bytes.push(...digits);
  }
  return element(TAG.oid, Uint8Array.from(bytes));
}

export function octetString(...parts: readonly Uint8Array[]): Uint8Array {
  return element(TAG.octetString, ...parts);
}

/** A BIT STRING of whole octets. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(TAG.bitString, ZERO, bytes);
}

/** A named bit list: the positions of the bits that are set. */
export function namedBits(positions: readonly number[]): Uint8Array {
  const last = Math.max(-1, ...positions);
  const bytes = new Uint8Array(1 + Math.floor((last + 8) / 8));
  for (const position of positions) {
    const index = 1 + (position >> 3);
    bytes[index] = (bytes[index] ?? 0) | (0x80 >> (position & 7));
  }
  bytes[0] = last < 0 ? 0 : 7 - (last & 7);
  return element(TAG.bitString, bytes);
}

export function boolean(value: boolean): Uint8Array {
  return element(TAG.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function nullValue(): Uint8Array {
  return element(TAG.null);
}

export function utf8String(text: string): Uint8Array {
  return element(TAG.utf8String, Buffer.from(text, "utf8"));
}

export function printableString(text: string): Uint8Array {
  return element(TAG.printableString, Buffer.from(text, "latin1"));
}

/** RFC 5280 §4.1.2.5. @throws TypeError for a time before year 0 or after 9999 */
export function time(at: EpochSeconds): Uint8Array {
  const date = new Date(at * 1000);
  const year = date.getUTCFullYear();
  if (!Number.isSafeInteger(at) || !(year >= 0 && year <= 9999)) {
    throw new TypeError(`${at} is not a time that a certificate can hold`);
  }
  const text = compactTime(date);
  return year >= 1950 && year < 2050
    ? element(TAG.utcTime, Buffer.from(text.slice(2), "latin1"))
    : element(TAG.generalizedTime, Buffer.from(text, "latin1"));
}

/** `[number] EXPLICIT`, or IMPLICIT over a constructed value's content. */
export function context(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return element(contextTag(number), ...parts);
}

/** `[number] IMPLICIT` over a primitive value's content. */
export function contextPrimitive(number: number, content: Uint8Array): Uint8Array {
  return element(contextTag(number, false), content);
}

/** The error of this room: `what` names the structure. */
export function malformed(what: string, rule: string): AssayError {
  return fail("invalid", `${what} ${rule}`);
}

/** `YYYYMMDDHHMMSSZ` */
function compactTime(date: Date): string {
  const iso = date.toISOString();
  const part = (from: number): string => iso.slice(from, from + 2);
  return `${part(0)}${part(2)}${part(5)}${part(8)}${part(11)}${part(14)}${part(17)}Z`;
}

function bytesOfNumber(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TypeError("only non-negative integers are written");
  }
  const bytes: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return Uint8Array.from(bytes);
}

const ZERO = Uint8Array.of(0);
const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
/** Three length bytes: 16 MiB, far above any bound of a caller. */
const MAX_LENGTH_BYTES = 3;
const MAX_DEPTH = 16;
const MAX_OID_BYTES = 64;
