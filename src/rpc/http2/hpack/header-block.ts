import { fail } from "../../../base/errors.ts";
import { HpackCursor } from "./cursor.ts";
import { type HpackEntry, type HpackTable, sizeOf, staticIndex } from "./table.ts";

export interface HeaderBounds {
  /** As HTTP/2 counts them: name + value + 32 each (RFC 9113 §6.5.2). */
  readonly maxBytes: number;
  readonly maxFields: number;
}

/**
 * Decodes a whole header block and brings the table up to date (RFC 7541 §6): names and values in turn, one character
 * per byte. Throws `invalid` at anything malformed. One above the bounds is decoded to its end, for the table's sake,
 * and kept by nobody: a byte can stand for a whole table entry.
 * @returns undefined for one above the bounds
 */
export function decodeHeaderBlock(
  block: Uint8Array,
  table: HpackTable,
  bounds: HeaderBounds,
): readonly string[] | undefined {
  const cursor = new HpackCursor(block);
  const fields: string[] = [];
  let bytes = 0;
  let count = 0;
  while (!cursor.done) {
    const field = nextField(cursor, table, count === 0);
    if (field === undefined) continue;
    count += 1;
    bytes += sizeOf(field);
    if (bytes <= bounds.maxBytes && count <= bounds.maxFields) fields.push(field.name, field.value);
  }
  return bytes <= bounds.maxBytes && count <= bounds.maxFields ? fields : undefined;
}

/**
 * Encodes headers, names and values in turn, so that no table is touched: as entries of the static table, else as
 * literals without indexing (RFC 7541 §6.1, §6.2.2). A block made once fits every connection.
 */
export function encodeHeaderBlock(fields: readonly string[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? "";
    const value = fields[i + 1] ?? "";
    const whole = staticIndex(name, value);
    if (whole > 0) {
      parts.push(encodeInteger(whole, 7, 0x80));
      continue;
    }
    const named = staticIndex(name);
    parts.push(encodeInteger(named, 4, 0));
    if (named === 0) parts.push(encodeString(name));
    parts.push(encodeString(value));
  }
  return Buffer.concat(parts);
}

/** A dynamic table size update to nothing (RFC 7541 §6.3), owed to a peer that made the table smaller. */
export const NO_TABLE: Uint8Array = Buffer.of(0x20);

function nextField(
  cursor: HpackCursor,
  table: HpackTable,
  atStart: boolean,
): HpackEntry | undefined {
  const first = cursor.peek();
  if ((first & 0x80) !== 0) return table.entry(cursor.integer(7));
  if ((first & 0x40) !== 0) {
    const entry = literal(cursor, table, 6);
    table.insert(entry);
    return entry;
  }
  if ((first & 0x20) !== 0) {
    if (!atStart) throw fail("invalid", "a table size update follows a header");
    table.resize(cursor.integer(5));
    return undefined;
  }
  return literal(cursor, table, 4);
}

function literal(cursor: HpackCursor, table: HpackTable, prefixBits: number): HpackEntry {
  const index = cursor.integer(prefixBits);
  const name = index === 0 ? cursor.string() : table.entry(index).name;
  return { name, value: cursor.string() };
}

/** RFC 7541 §5.1. */
function encodeInteger(value: number, prefixBits: number, pattern: number): Uint8Array {
  const max = (1 << prefixBits) - 1;
  if (value < max) return Buffer.of(pattern | value);
  const bytes = [pattern | max];
  let rest = value - max;
  for (; rest > 127; rest >>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A plain string, no Huffman code (RFC 7541 §5.2). */
function encodeString(text: string): Uint8Array {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([encodeInteger(bytes.length, 7, 0), bytes]);
}
