import { readFile, stat } from "node:fs/promises";
import { AssayError, fail } from "./errors.ts";

/**
 * Reads a file of certificates, a key or a token, whole. Its text never stands in an error.
 * @throws precondition when it cannot be read, is empty or larger than 1 MiB
 */
export async function readTextFile(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) {
      throw fail("precondition", `${file} is larger than ${MAX_FILE_BYTES} bytes`);
    }
    const text = await readFile(file, "utf8");
    if (text.trim() === "") throw fail("precondition", `${file} is empty`);
    return text;
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw fail("precondition", `${file} cannot be read (${code})`, { cause });
  }
}

const MAX_FILE_BYTES = 1024 * 1024;
