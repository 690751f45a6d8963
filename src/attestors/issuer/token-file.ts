import { readFile, stat } from "node:fs/promises";
import { AssayError, fail } from "../../base/errors.ts";
import { unreadable } from "../../base/unreadable.ts";
import { MAX_TOKEN_BYTES } from "./foreign-token.ts";

/** The token in a file, without the white space around it. @throws precondition, naming the file, never its text */
export async function readTokenFile(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > MAX_TOKEN_BYTES) {
      throw fail("precondition", `${file}: it is longer than ${MAX_TOKEN_BYTES} bytes, no token`);
    }
    const token = (await readFile(file, "utf8")).trim();
    if (!COMPACT.test(token)) {
      throw fail(
        "precondition",
        `${file}: there is no token in it (three parts with dots between)`,
      );
    }
    return token;
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw fail("precondition", unreadable(file, why), { cause });
  }
}

const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
