import { hash } from "node:crypto";
import { fail } from "../../../base/errors.ts";
import type { Selector } from "../../../spiffe/selector.ts";
import { type Row, readStrings } from "./row.ts";

/** How a selector list stands in a column: a flat JSON array, type and value in turns. */
export function encodeSelectors(selectors: readonly Selector[]): string {
  return JSON.stringify(selectors.flatMap(({ type, value }) => [type, value]));
}

export function readSelectors(row: Row, column: string): readonly Selector[] {
  const flat = readStrings(row, column);
  const selectors: Selector[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const type = flat[i];
    const value = flat[i + 1];
    if (type === undefined || value === undefined) {
      throw fail("internal", `database column '${column}' holds half a selector`);
    }
    selectors.push({ type, value });
  }
  return selectors;
}

/** Identifies a set in canonical order: SHA-256 of what stands in the column. */
export function hashSelectors(encoded: string): Uint8Array {
  return hash("sha256", encoded, "buffer");
}
