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
  readonly #open = new Map<string, Held>();
  /** Stands last already: who is asked about again and again need not be moved. */
  #newest: Held | undefined;
  readonly #maxOpen: number;

  constructor(procDir: string) {
    this.#procDir = procDir;
    this.#maxOpen = isProc(procDir) ? MAX_OPEN : 0;
  }

  /** What the kernel says now: the same string while it says the same. @throws denied when there is no such process, or its paths are too long */
  read(pid: string): string {
    const held = this.#open.get(pid);
    if (held !== undefined) {
      const text = tryRead(held);
      if (text !== undefined) {
        if (held !== this.#newest) this.#keep(pid, held);
        return text;
      }
      this.#open.delete(pid);
      closeSync(held.fd);
    }
    return this.#readAnew(pid);
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
    this.#newest = undefined;
  }

  #readAnew(pid: string): string {
    let fd: number;
    try {
      fd = openSync(`${this.#procDir}/${pid}/cgroup`, "r");
    } catch (cause) {
      throw gone(cause);
    }
    let keeps = false;
    const held = { fd, bytes: NO_BYTES, text: "" };
    try {
      const text = readWhole(held);
      keeps = this.#maxOpen > 0;
      return text;
    } finally {
      if (keeps) this.#keep(pid, held);
      else closeSync(fd);
    }
  }

  #keep(pid: string, held: Held): void {
    this.#open.delete(pid);
    this.#open.set(pid, held);
    this.#newest = held;
    if (this.#open.size <= this.#maxOpen) return;
    for (const [oldest, { fd }] of this.#open) {
      this.#open.delete(oldest);
      closeSync(fd);
      return;
    }
  }
}

interface Held {
  readonly fd: number;
  /** What was read last, and the same as text. */
  bytes: Uint8Array;
  text: string;
}

/** A copy of /proc, as tests make one, has files that outlive their processes. */
function isProc(dir: string): boolean {
  try {
    return statfsSync(dir).type === PROC_SUPER_MAGIC;
  } catch {
    return false; // reading says why
  }
}

function tryRead(held: Held): string | undefined {
  try {
    return readWhole(held);
  } catch {
    return undefined; // it has ended; another process may have its PID
  }
}

function readWhole(held: Held): string {
  let length = readAt(held.fd, 0);
  if (length < chunk.length) {
    // Making a string of it costs more than seeing that it is the one of before.
    if (chunk.compare(held.bytes, 0, held.bytes.length, 0, length) === 0) return held.text;
    held.bytes = Uint8Array.prototype.slice.call(chunk, 0, length);
    held.text = chunk.toString("latin1", 0, length);
    return held.text;
  }
  let text = "";
  // A short read of a file under /proc is its end.
  while (length === chunk.length) {
    text += chunk.toString("latin1", 0, length);
    if (text.length > MAX_TEXT) {
      throw fail("denied", `the cgroups of the process are longer than ${MAX_TEXT} bytes`);
    }
    length = readAt(held.fd, text.length);
  }
  return text + chunk.toString("latin1", 0, length);
}

function readAt(fd: number, position: number): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, position);
  } catch (cause) {
    throw gone(cause);
  }
}

function gone(cause: unknown): AssayError {
  return fail("denied", "the calling process has ended or its cgroups cannot be read", { cause });
}

const chunk = Buffer.alloc(8192);
const NO_BYTES = new Uint8Array();
/** A path of 4096 bytes (PATH_MAX) in each of 15 hierarchies. */
const MAX_TEXT = 64 * 1024;
const MAX_OPEN = 64;
/** proc(5), as statfs(2) names its type. */
const PROC_SUPER_MAGIC = 0x9fa0;
