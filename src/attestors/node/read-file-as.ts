import { readFile, stat } from "node:fs/promises";
import { errorFrom, fail } from "../../base/errors.ts";

/**
 * What `read` makes of a file that the host has from elsewhere.
 * @throws precondition, with the file's name: it cannot be read, has more than `maxBytes`, or is not what it should be
 */
export async function readFileAs<T>(
  file: string,
  maxBytes: number,
  read: (text: string) => T,
): Promise<T> {
  try {
    if ((await stat(file)).size > maxBytes) {
      throw fail("invalid", `it is larger than ${maxBytes} bytes`);
    }
    return read(await readFile(file, "utf8"));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why = code === undefined ? errorFrom(cause).message : `it cannot be read (${code})`;
    throw fail("precondition", `${file}: ${why}`, { cause });
  }
}
