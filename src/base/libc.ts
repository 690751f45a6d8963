/**
 * The C library, for the few calls that Node does not offer; koffi is loaded on first use, so that nothing pays for it
 * that needs none of them. Linux only.
 */
import { createRequire } from "node:module";

export interface Libc {
  /**
   * Declares a function by its C prototype. Hand buffers over as `void *`: koffi then passes their address, while
   * `_Out_` arrays are copied twice.
   */
  func(prototype: string): (...args: unknown[]) => number;
  /** `errno` of the last call. */
  errno(): number;
}

/** `undefined` on systems other than Linux. */
export function libc(): Libc | undefined {
  if (process.platform !== "linux") return undefined;
  loaded ??= load();
  return loaded;
}

/** Has the C library give back memory that it holds free, where it is loaded here and can (malloc_trim(3)). */
export function trimMalloc(): void {
  try {
    loaded?.func("int malloc_trim(unsigned long pad)")(0);
  } catch {
    // Not glibc: there is no such function, and nothing to be done.
  }
}

let loaded: Libc | undefined;

function load(): Libc {
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const library = koffi.load(null);
  return { func: (prototype) => library.func(prototype), errno: () => koffi.errno() };
}

/** The part of koffi that is used here. */
interface Koffi {
  load(path: null): { func(prototype: string): (...args: unknown[]) => number };
  errno(): number;
}
