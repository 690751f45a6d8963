/**
 * A small strict DER reader and writer (ITU-T X.690), as much of it as certificates and requests need.
 *
 * The reader takes one canonical encoding of everything and refuses the rest with `invalid`: indefinite or
 * non-minimal lengths, tags above 30, negative or padded integers, unused bits that are set, trailing bytes. Two slips
 * that real authorities make and that cannot mislead are let through; `namedBitsOf` and `timeOf` name them.
 * It returns views into the input, which must not be written to afterwards.
 */
import { takeBytes } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import { type AssayError, fail } from "../base/errors.ts";
import { OID } from "./oids.ts";

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

/** One element. Its parts are cut out when they are asked for: most of them never are. */
export class Tlv {
  readonly tag: number;
  readonly #bytes: Uint8Array;
  readonly #at: number;
  /** Where its content begins, in the bytes it was read from. */
  readonly start: number;
  /** Where it and its content end. */
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, start: number, end: number) {
    this.tag = bytes[at] ?? 0;
    this.#bytes = bytes;
    this.#at = at;
    this.start = start;
    this.end = end;
  }

  /** Header and content. */
  get raw(): Uint8Array {
    return this.#bytes.subarray(this.#at, this.end);
  }

  get content(): Uint8Array {
    return this.#bytes.subarray(this.start, this.end);
  }

  /** Bytes of the content. */
  get length(): number {
    return this.end - this.start;
  }

  /** The content's byte at `index`, without cutting the content out; undefined beyond its end. */
  at(index: number): number | undefined {
    const at = this.start + index;
    return at < this.end ? this.#bytes[at] : undefined;
  }

  /** The content from `index` on. */
  from(index: number): Uint8Array {
    return this.#bytes.subarray(this.start + index, this.end);
  }
}

/** Reads the element at `offset`, which ends before `limit`. @throws invalid */
export function readTlv(
  bytes: Uint8Array,
  offset = 0,
  what = "der",
  limit: number = bytes.length,
): Tlv {
  if (offset + 2 > limit) throw malformed(what, "is cut short");
  const tag = bytes[offset] ?? 0;
  const first = bytes[offset + 1] ?? 0;
  if ((tag & 0x1f) === 0x1f) throw malformed(what, "has a tag above 30");
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0) throw malformed(what, "has an indefinite length");
    if (count > MAX_LENGTH_BYTES) throw malformed(what, "is longer than 16 MiB");
    if (start + count > limit) throw malformed(what, "is cut short");
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw malformed(what, "has a length that is not minimal");
    }
    start += count;
  }
  if (start + length > limit) throw malformed(what, "is cut short");
  return new Tlv(bytes, offset, start, start + length);
}

/** Part of some bytes, and how deep it is nested. */
interface Extent {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/** Walks the elements of one constructed value, left to right. */
export class DerCursor {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #depth: number;
  readonly #end: number;
  #at: number;

  /**
   * @param what names the structure in error messages
   * @param extent the value's place, when it is not all of the bytes
   */
  constructor(bytes: Uint8Array, what: string, extent: Extent = whole(bytes)) {
    const { start, end, depth } = extent;
    if (depth > MAX_DEPTH) throw malformed(what, "is nested too deeply");
    this.#bytes = bytes;
    this.#what = what;
    this.#depth = depth;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  /** The next identifier octet; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#at < this.#end ? this.#bytes[this.#at] : undefined;
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
    const tlv = readTlv(this.#bytes, this.#at, this.#what, this.#end);
    this.#at = tlv.end;
    return tlv;
  }

  optional(tag: number): Tlv | undefined {
    return this.nextTag === tag ? this.readAny() : undefined;
  }

  enter(tag: number, what: string = this.#what): DerCursor {
    const { start, end } = this.read(tag);
    return new DerCursor(this.#bytes, what, { start, end, depth: this.#depth + 1 });
  }

  /** @throws invalid when anything is left */
  end(): void {
    if (!this.done) throw malformed(this.#what, "has trailing bytes");
  }
}

function whole(bytes: Uint8Array): Extent {
  return { start: 0, end: bytes.length, depth: 0 };
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
  const value = tlv.at(0);
  if (tlv.length !== 1 || (value !== 0 && value !== 0xff)) {
    throw malformed(what, "is not a der boolean");
  }
  return value === 0xff;
}

/** The bytes of a BIT STRING that is a whole number of octets. @throws invalid */
export function octetsOfBitString(tlv: Tlv, what: string): Uint8Array {
  if (tlv.at(0) !== 0) throw malformed(what, "has unused bits");
  return tlv.from(1);
}

/**
 * The positions of the set bits of a named bit list. Zero bits at its end, which X.690 §11.2.2 wants cut, are let
 * through: authorities in every trust store have them, and they change no meaning.
 * @throws invalid
 */
export function namedBitsOf(tlv: Tlv, what: string): number[] {
  const unused = tlv.at(0);
  if (unused === undefined) throw malformed(what, "is not a bit string");
  const bytes = tlv.from(1);
  if (unused > 7 || (bytes.length === 0 && unused !== 0)) {
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
  const known = KNOWN_OIDS.get(hashOf(tlv));
  if (known !== undefined && sameContent(known.content, tlv)) return known.dotted;
  return readOid(tlv.content, what);
}

function hashOf(tlv: Tlv): number {
  const { length } = tlv;
  let hash = length;
  for (let i = 0; i < length; i++) hash = (hash * 31 + (tlv.at(i) ?? 0)) | 0;
  return hash;
}

function readOid(content: Uint8Array, what: string): string {
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

function sameContent(bytes: Uint8Array, tlv: Tlv): boolean {
  if (bytes.length !== tlv.length) return false;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== tlv.at(i)) return false;
  return true;
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
  const { tag } = tlv;
  const general = tag === TAG.generalizedTime;
  const length = general ? 15 : 13;
  if ((!general && tag !== TAG.utcTime) || tlv.length !== length || tlv.at(length - 1) !== Z) {
    throw malformed(what, "is not a time in utc to the second");
  }
  const pair = (index: number): number => {
    const tens = (tlv.at(index) ?? 0) - DIGIT_0;
    const ones = (tlv.at(index + 1) ?? 0) - DIGIT_0;
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) {
      throw malformed(what, "is not a time in utc to the second");
    }
    return tens * 10 + ones;
  };
  const at = general ? 2 : 0;
  const year = pair(at);
  const full = general ? pair(0) * 100 + year : year < 50 ? 2000 + year : 1900 + year;
  const [month, day] = [pair(at + 2), pair(at + 4)];
  const [hour, minute, second] = [pair(at + 6), pair(at + 8), pair(at + 10)];
  const date = new Date(0);
  date.setUTCFullYear(full, month - 1, day);
  // Days that do not exist roll over; they are refused by not coming back the same.
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!exists || hour > 23 || minute > 59 || second > 59) {
    throw malformed(what, "is a date that does not exist");
  }
  return date.getTime() / 1000 + hour * 3600 + minute * 60 + second;
}

/** Any element: identifier octet and the parts of its content. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const count = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  const out = takeBytes(2 + count + length);
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
  const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);
  const year = date.getUTCFullYear();
  const day = two(Math.floor(year / 100)) + two(year % 100) + two(date.getUTCMonth() + 1);
  const clock = two(date.getUTCHours()) + two(date.getUTCMinutes()) + two(date.getUTCSeconds());
  return `${day}${two(date.getUTCDate())}${clock}Z`;
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
const Z = 0x5a;
const DIGIT_0 = 0x30;
/** Three length bytes: 16 MiB, far above any bound of a caller. */
const MAX_LENGTH_BYTES = 3;
const MAX_DEPTH = 16;
const MAX_OID_BYTES = 64;

/** The same few stand in every certificate: they are not put together anew each time. */
const KNOWN_OIDS: ReadonlyMap<number, { readonly content: Uint8Array; readonly dotted: string }> =
  new Map(
    Object.values(OID).map((dotted) => {
      const tlv = readTlv(oid(dotted));
      return [hashOf(tlv), { content: tlv.content, dotted }];
    }),
  );
