import { fail } from "../../../base/errors.ts";
import { HpackCursor } from "./hpack-cursor.ts";
import { type HpackEntry, type HpackTable, sizeOf } from "./hpack-table.ts";

/** One header, one character per byte. */
export interface HeaderField extends HpackEntry {
  /** The client asked that it never be put into a table (RFC 7541 §6.2.3). */
  readonly neverIndexed: boolean;
}

/**
 * Decodes a whole header block and brings the table up to date (RFC 7541 §6). Throws `invalid` at anything
 * malformed and when the headers together are larger than `maxBytes`: a byte can stand for a whole table entry.
 */
export function decodeHeaderBlock(
  block: Uint8Array,
  table: HpackTable,
  maxBytes: number = MAX_DECODED_BYTES,
): HeaderField[] {
  const cursor = new HpackCursor(block);
  const fields: HeaderField[] = [];
  let bytes = 0;
  while (!cursor.done) {
    const field = nextField(cursor, table, fields.length === 0);
    if (field === undefined) continue;
    bytes += sizeOf(field);
    if (bytes > maxBytes) throw fail("invalid", "the headers of a request are too large");
    fields.push(field);
  }
  return fields;
}

/** Encodes headers as literals that touch no table, so that whoever reads them needs none (RFC 7541 §6.2.2, §6.2.3). */
export function encodeHeaderBlock(fields: readonly HeaderField[]): Uint8Array {
  return Buffer.concat(
    fields.flatMap(({ name, value, neverIndexed }) => [
      Buffer.of(neverIndexed ? 0x10 : 0x00),
      encodeString(name),
      encodeString(value),
    ]),
  );
}

function nextField(
  cursor: HpackCursor,
  table: HpackTable,
  atStart: boolean,
): HeaderField | undefined {
  const first = cursor.peek();
  if ((first & 0x80) !== 0) return { ...table.entry(cursor.integer(7)), neverIndexed: false };
  if ((first & 0x40) !== 0) {
    const entry = literal(cursor, table, 6);
    table.insert(entry);
    return { ...entry, neverIndexed: false };
  }
  if ((first & 0x20) !== 0) {
    if (!atStart) throw fail("invalid", "a table size update follows a header");
    table.resize(cursor.integer(5));
    return undefined;
  }
  return { ...literal(cursor, table, 4), neverIndexed: (first & 0x10) !== 0 };
}

function literal(cursor: HpackCursor, table: HpackTable, prefixBits: number): HpackEntry {
  const index = cursor.integer(prefixBits);
  const name = index === 0 ? cursor.string() : table.entry(index).name;
  return { name, value: cursor.string() };
}

/** A plain string: length with a seven-bit prefix, no Huffman code (RFC 7541 §5.2). */
function encodeString(text: string): Buffer {
  const head: number[] = [];
  let rest = text.length;
  if (rest < 127) {
    head.push(rest);
  } else {
    head.push(127);
    for (rest -= 127; rest > 127; rest >>= 7) head.push((rest & 127) | 128);
    head.push(rest);
  }
  return Buffer.concat([Buffer.from(head), Buffer.from(text, "latin1")]);
}

/** Twice what the server announces as its limit: up to that nghttp2 is to refuse the request, not we the connection. */
const MAX_DECODED_BYTES = 64 * 1024;
