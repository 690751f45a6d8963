import { readFileSync, statSync } from "node:fs";
import { fail } from "../base/errors.ts";
import { unreadable } from "../base/unreadable.ts";

/** Reads a secret from a file: trimmed, one line, bounded. The text never stands in an error. */
export function readSecretFile(path: string, option: string): string {
  let text: string;
  try {
    if (statSync(path).size > MAX_SECRET_BYTES) {
      throw fail(
        "invalid",
        `${option}: ${path} is larger than ${MAX_SECRET_BYTES} bytes and no secret`,
      );
    }
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      throw fail("not_found", `${option}: ${unreadable(path, String(error.code))}`);
    }
    throw error;
  }
  if (text === "") throw fail("invalid", `${option}: ${path} is empty`);
  if (text.includes("\n")) throw fail("invalid", `${option}: ${path} has more than one line`);
  return text;
}

/** A copy for printing and logging, secrets replaced. */
export function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_KEYS.has(key) ? "[redacted]" : redacted(inner),
    ]),
  );
}

const SECRET_KEYS: ReadonlySet<string> = new Set(["joinToken", "keyText"]);
const MAX_SECRET_BYTES = 64 * 1024;
