import { readFileSync, statSync } from "node:fs";
import { fail } from "../../base/errors.ts";
import { unreadable } from "../../base/unreadable.ts";

/**
 * The text of a file that the command line names, or of standard input for `-`.
 * @param option the option that named the file
 * @throws not_found, invalid
 */
export function readNamedFile(path: string, option: string): string {
  try {
    if (path === "-") return readFileSync(0, "utf8");
    if (statSync(path).size > MAX_FILE_BYTES) {
      throw fail("invalid", `--${option}: ${path} is larger than ${MAX_FILE_BYTES} bytes`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      throw fail("not_found", `--${option}: ${unreadable(path, String(error.code))}`);
    }
    throw error;
  }
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;
