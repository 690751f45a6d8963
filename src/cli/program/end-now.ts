import { libc } from "../../base/libc.ts";

/**
 * Ends the process at once. `process.exit` waits for the threads of the pool first, and one that is in a library which
 * never returns never comes back.
 */
export function endNow(code: number): never {
  try {
    libc()?.func("void _exit(int status)")(code);
  } catch {
    // Without koffi nothing of the kind can be under way.
  }
  process.exit(code);
}
