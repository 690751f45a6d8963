/** Typed reading of the rows that node:sqlite hands out: a column of another type is a damaged database. */
import type { SQLOutputValue } from "node:sqlite";
import { fail } from "../../../base/errors.ts";

export type Row = Record<string, SQLOutputValue>;

export function readText(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== "string") throw wrongType(column);
  return value;
}

export function readInteger(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== "number") throw wrongType(column);
  return value;
}

export function readBoolean(row: Row | undefined, column: string): boolean {
  return readInteger(row, column) !== 0;
}

/** A JSON array of strings. */
export function readStrings(row: Row, column: string): readonly string[] {
  const text = readText(row, column);
  if (text === "[]") return NO_STRINGS;
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) {
    throw wrongType(column);
  }
  return list;
}

function wrongType(column: string): Error {
  return fail("internal", `database column '${column}' holds a value of the wrong type`);
}

const NO_STRINGS: readonly string[] = Object.freeze([]);
