import { isUtf8 } from "node:buffer";
import { fail } from "../base/errors.ts";
import { type ProtoField, findNode, resolveType } from "./descriptors.ts";

/**
 * Strict look at an encoded message before the library decodes it.
 *
 * protobufjs takes a field by its number alone, cuts short strings that reach beyond the end, and replaces what is not
 * UTF-8. The encoding's own rules (protobuf.dev, "Encoding") are held here instead: wire types fit, lengths stay
 * inside, strings are UTF-8; nesting and the number of fields are bounded. Unknown fields pass.
 */
export type WireCheck = (bytes: Uint8Array) => void;

/** The check for one message type; it throws `invalid`. */
export function wireCheck(fullName: string): WireCheck {
  const shape = shapeOf(fullName);
  return (bytes) => {
    const walker = new Walker(bytes);
    walker.message(shape, bytes.length, 0);
  };
}

interface FieldShape {
  readonly wire: number;
  /** Scalars that may also come packed, as one length-delimited field. */
  readonly packable: boolean;
  readonly utf8: boolean;
  /** Of an embedded message. */
  readonly shape?: Shape;
}

type Shape = ReadonlyMap<number, FieldShape>;

class Walker {
  readonly #bytes: Uint8Array;
  #at = 0;
  #fieldsLeft: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#fieldsLeft = MIN_FIELDS + bytes.length / MIN_BYTES_PER_FIELD;
  }

  message(shape: Shape, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw malformed("nests too deeply");
    while (this.#at < end) {
      const tag = this.#tag(end);
      if ((tag & 7) === END_GROUP) throw malformed("ends a group that never began");
      this.#field(tag, shape.get(tag >>> 3), end, depth);
    }
  }

  #field(tag: number, field: FieldShape | undefined, end: number, depth: number): void {
    const wire = tag & 7;
    this.#fieldsLeft -= 1;
    if (this.#fieldsLeft < 0) throw malformed("has too many fields for its size");
    if (field !== undefined && wire !== field.wire && !(wire === LENGTH && field.packable)) {
      throw malformed(`has field ${tag >>> 3} with a wrong wire type`);
    }
    if (wire === VARINT) this.#varint(end);
    else if (wire === FIXED64) this.#skip(8, end);
    else if (wire === FIXED32) this.#skip(4, end);
    else if (wire === LENGTH) this.#delimited(field, end, depth);
    else if (wire === GROUP) this.#group(tag >>> 3, end, depth + 1);
    else throw malformed("has an unknown wire type");
  }

  #delimited(field: FieldShape | undefined, outer: number, depth: number): void {
    const length = this.#varint(outer);
    const start = this.#at;
    this.#skip(length, outer);
    const end = this.#at;
    if (field?.shape !== undefined) {
      this.#at = start;
      this.message(field.shape, end, depth + 1);
    } else if (field?.packable && field.wire === VARINT) {
      this.#at = start;
      while (this.#at < end) this.#varint(end);
    } else if (field?.utf8 && !isUtf8(this.#bytes.subarray(start, end))) {
      throw malformed("has text that is not UTF-8");
    }
  }

  /** Only unknown fields are groups: proto3 has none. */
  #group(number: number, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw malformed("nests too deeply");
    for (;;) {
      const tag = this.#tag(end);
      if ((tag & 7) === END_GROUP) {
        if (tag >>> 3 !== number) throw malformed("ends another group than it began");
        return;
      }
      this.#field(tag, undefined, end, depth);
    }
  }

  #tag(end: number): number {
    const tag = this.#varint(end);
    if (tag < 8 || tag > 0xffff_ffff) throw malformed("has a field number out of range");
    return tag;
  }

  /** Exact up to 2^53; lengths and tags are far below, other values do not matter here. */
  #varint(end: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.#at >= end) throw malformed("is cut short");
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed("has an endless number");
  }

  #skip(length: number, end: number): void {
    if (length > end - this.#at) throw malformed("is cut short");
    this.#at += length;
  }
}

function malformed(how: string): Error {
  return fail("invalid", `message is not well-formed protobuf of its type: it ${how}`);
}

function shapeOf(fullName: string): Shape {
  let shape = shapes.get(fullName);
  if (shape === undefined) {
    const node = findNode(fullName);
    if (node?.fields === undefined) throw new TypeError(`no message named ${fullName} in proto/`);
    const fields = new Map<number, FieldShape>();
    // Known before it is filled, for messages that hold themselves (google.protobuf.Struct).
    shapes.set(fullName, fields);
    for (const field of Object.values(node.fields))
      fields.set(field.id, fieldShape(field, fullName));
    shape = fields;
  }
  return shape;
}

function fieldShape(field: ProtoField, scope: string): FieldShape {
  if (field.keyType !== undefined) {
    const entry = new Map([
      [1, fieldShape({ id: 1, type: field.keyType }, scope)],
      [2, fieldShape({ id: 2, type: field.type }, scope)],
    ]);
    return { wire: LENGTH, packable: false, utf8: false, shape: entry };
  }
  const wire = SCALARS[field.type];
  if (wire !== undefined) {
    const packable = field.rule === "repeated" && wire !== LENGTH;
    return { wire, packable, utf8: field.type === "string" };
  }
  const name = resolveType(field.type, scope);
  if (findNode(name)?.fields === undefined) {
    return { wire: VARINT, packable: field.rule === "repeated", utf8: false };
  }
  return { wire: LENGTH, packable: false, utf8: false, shape: shapeOf(name) };
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

const SCALARS: Readonly<Record<string, number | undefined>> = {
  int32: VARINT,
  int64: VARINT,
  uint32: VARINT,
  uint64: VARINT,
  bool: VARINT,
  double: FIXED64,
  float: FIXED32,
  string: LENGTH,
  bytes: LENGTH,
};

/** The limit of the other protobuf implementations. */
const MAX_DEPTH = 100;
const MAX_VARINT_BYTES = 10;

/**
 * Empty submessages take two bytes each on the wire and some hundred in memory. Real messages have five bytes and more
 * to a field; small ones of many flags have this many fields anyway.
 */
const MIN_BYTES_PER_FIELD = 4;
const MIN_FIELDS = 10_000;

const shapes = new Map<string, Shape>();
