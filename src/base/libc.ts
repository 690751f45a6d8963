/**
 * The C library, for the few calls that Node does not offer; koffi is loaded on first use, so that nothing pays for it
 * that needs none of them. Linux only.
 */
import { readFileSync } from "node:fs";
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

/**
 * Has the kernel take the pages of the program's own code out of this process, where the C library is loaded here: those
 * that are used come back one by one, from the file or the kernel's cache of it (madvise(2), MADV_DONTNEED on a mapping
 * that nobody writes to). Much of Node's code serves only its start.
 */
export function trimCode(): void {
  if (loaded === undefined) return;
  try {
    const madvise = loaded.func("int madvise(uintptr_t address, size_t length, int advice)");
    for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
      const [, from, to] = CODE.exec(line) ?? [];
      if (from === undefined || to === undefined || !line.endsWith(` ${process.execPath}`))
        continue;
      const start = BigInt(`0x${from}`);
      madvise(start, BigInt(`0x${to}`) - start, MADV_DONTNEED);
    }
  } catch {
    // It is there to save memory; without it everything works as well.
  }
}

/** A line of /proc/self/maps (proc_pid_maps(5)) of a file's pages that are run and never written to. */
const CODE = /^([0-9a-f]+)-([0-9a-f]+) r-xp /;
const MADV_DONTNEED = 4;

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
