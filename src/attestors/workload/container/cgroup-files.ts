import { closeSync, openSync, readSync, statfsSync } from "node:fs";
import { type AssayError, fail } from "../../../base/errors.ts";

/**
 * Reads /proc/PID/cgroup. The files of a few processes stay open: unlike its path, an open file under /proc belongs to
 * one process for good, and reading it fails once that has ended, whoever has the PID then. Reading it again costs half
 * of opening it again.
 */
export class CgroupFiles implements Disposable {
  readonly #procDir: string;
  /** By PID, the least recently read first. */
  readonly #open = new Map<string, number>();
  readonly #maxOpen: number;

  constructor(procDir: string) {
    this.#procDir = procDir;
    this.#maxOpen = isProc(procDir) ? MAX_OPEN : 0;
  }

  /** What the kernel says now. @throws denied when there is no such process, or its paths are too long */
  read(pid: string): string {
    const held = this.#open.get(pid);
    if (held !== undefined) {
      this.#open.delete(pid);
      const text = tryRead(held);
      if (text !== undefined) {
        this.#open.set(pid, held);
        return text;
      }
      closeSync(held);
    }
    return this.#readAnew(pid);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #readAnew(pid: string): string {
    let fd: number;
    try {
      fd = openSync(`${this.#procDir}/${pid}/cgroup`, "r");
    } catch (cause) {
      throw gone(cause);
    }
    let keeps = false;
    try {
      const text = readWhole(fd);
      keeps = this.#maxOpen > 0;
      return text;
    } finally {
      if (keeps) this.#keep(pid, fd);
      else closeSync(fd);
    }
  }

  #keep(pid: string, fd: number): void {
    this.#open.set(pid, fd);
    if (this.#open.size <= this.#maxOpen) return;
    for (const [oldest, oldestFd] of this.#open) {
      this.#open.delete(oldest);
      closeSync(oldestFd);
      return;
    }
  }
}

/** A copy of /proc, as tests make one, has files that outlive their processes. */
function isProc(dir: string): boolean {
  try {
    return statfsSync(dir).type === PROC_SUPER_MAGIC;
  } catch {
    return false; // reading says why
  }
}

function tryRead(fd: number): string | undefined {
  try {
    return readWhole(fd);
  } catch {
    return undefined; // it has ended; another process may have its PID
  }
}

function readWhole(fd: number): string {
  let text = "";
  for (;;) {
    let length: number;
    try {
      length = readSync(fd, chunk, 0, chunk.length, text.length);
    } catch (cause) {
      throw gone(cause);
    }
    text += chunk.toString("latin1", 0, length);
    // A short read of a file under /proc is its end.
    if (length < chunk.length) return text;
    if (text.length > MAX_TEXT) {
      throw fail("denied", `the cgroups of the process are longer than ${MAX_TEXT} bytes`);
    }
  }
}

function gone(cause: unknown): AssayError {
  return fail("denied", "the calling process has ended or its cgroups cannot be read", { cause });
}

const chunk = Buffer.alloc(8192);
/** A path of 4096 bytes (PATH_MAX) in each of 15 hierarchies. */
const MAX_TEXT = 64 * 1024;
const MAX_OPEN = 64;
/** proc(5), as statfs(2) names its type. */
const PROC_SUPER_MAGIC = 0x9fa0;
