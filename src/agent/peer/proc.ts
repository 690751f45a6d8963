import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { AssayError, fail } from "../../base/errors.ts";
import { LruMap } from "../../base/lru.ts";

/** What /proc/PID/status says of a process (proc_pid_status(5)): effective ids, as the kernel grants by them. */
export interface ProcessStatus {
  readonly ids: ProcessIds;
  /** The main thread has ended; the process has too unless other threads live on. */
  readonly isZombie: boolean;
}

export interface ProcessIds {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/**
 * /proc/PID/status, open: unlike its path, an open file belongs to one process for good. Once that has been collected
 * reading fails, whoever has the PID now.
 */
export class StatusFile implements Disposable {
  readonly #fd: number;
  #lines = "";
  #ids: ProcessIds | undefined;

  /** @throws denied when there is no such process; limited when out of descriptors */
  constructor(procDir: string, pid: number) {
    try {
      this.#fd = openSync(`${procDir}/${pid}/status`, "r");
    } catch (cause) {
      if (isOutOfDescriptors(cause)) {
        throw fail(
          "limited",
          "no file descriptor is left for a caller; raise the limit (ulimit -n)",
        );
      }
      throw gone(cause);
    }
  }

  /**
   * Reads it now. `ids` is the same object as before when the kernel says the same as before.
   * @throws denied when the process has ended and been collected
   */
  read(): ProcessStatus {
    let text: string;
    try {
      text = readThrough(this.#fd, "\nGroups:");
    } catch (cause) {
      throw gone(cause);
    }
    const lines = idLines(text);
    if (this.#ids === undefined || lines !== this.#lines) {
      const told = idsOf(lines);
      this.#ids = told.ids;
      this.#lines = told.lines;
    }
    return { ids: this.#ids, isZombie: isZombie(text) };
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** @throws denied when a line is missing */
export function parseStatus(text: string): ProcessStatus {
  return { ids: parseIds(idLines(text)), isZombie: isZombie(text) };
}

interface ToldIds {
  readonly lines: string;
  readonly ids: ProcessIds;
}

/** The same object for the same lines, whichever process they are of: most connections are of a few users. */
function idsOf(lines: string): ToldIds {
  const known = toldIds.get(lines);
  if (known !== undefined) return known;
  // A slice would keep the whole text alive for as long as the connection.
  const told = { lines: Buffer.from(lines, "latin1").toString("latin1"), ids: parseIds(lines) };
  if (lines.length <= MAX_KEPT_LINES) toldIds.set(told.lines, told);
  return told;
}

function parseIds(lines: string): ProcessIds {
  return {
    uid: idAt(field(lines, "Uid"), 1),
    gid: idAt(field(lines, "Gid"), 1),
    groups: field(lines, "Groups")
      .split(/\s+/)
      .filter((word) => /^\d+$/.test(word))
      .map(Number),
  };
}

/** The lines from `Uid` to `Groups`. The name comes first and may hold anything but a line feed: only whole lines count. */
function idLines(text: string): string {
  const from = startOf(text, "Uid");
  const groups = text.indexOf("\nGroups:", from);
  const to = text.indexOf("\n", groups + 1);
  return text.slice(from, groups < 0 || to < 0 ? undefined : to);
}

function isZombie(text: string): boolean {
  const state = text.charAt(startOf(text, "State") + "\nState:\t".length);
  return state === "Z" || state === "X";
}

/**
 * Clock ticks since boot at which the process started, as text; `undefined` for one that has ended and only waits to
 * be collected.
 * @throws denied when there is no such process
 */
export function readStartTime(procDir: string, pid: number): string | undefined {
  try {
    const fd = openSync(`${procDir}/${pid}/stat`, "r");
    try {
      return parseStartTime(readWhole(fd));
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw cause instanceof AssayError ? cause : gone(cause);
  }
}

/** Field 22 of /proc/PID/stat; the name (field 2) may hold spaces and brackets, so it is skipped from the right. */
export function parseStartTime(text: string): string | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  const startTime = fields[22 - 3];
  if (startTime === undefined || !/^\d+$/.test(startTime)) {
    throw fail("denied", "the start time of the calling process cannot be read");
  }
  return state === "Z" || state === "X" ? undefined : startTime;
}

/** Files that this process may have open; what is usual where /proc does not say. */
export function maxOpenFiles(procDir = "/proc"): number {
  try {
    const line = /^Max open files +(\d+)/m.exec(readFileSync(`${procDir}/self/limits`, "latin1"));
    return line === null ? USUAL_OPEN_FILES : Number(line[1]);
  } catch {
    return USUAL_OPEN_FILES;
  }
}

/** From the start, whatever was read before. Twice as fast as readFileSync, and done for each call of each workload. */
function readWhole(fd: number): string {
  let text = "";
  for (;;) {
    const length = readSync(fd, chunk, 0, chunk.length, text.length);
    text += chunk.toString("latin1", 0, length);
    // A short read of a file under /proc is its end.
    if (length < chunk.length || text.length > MAX_FILE_BYTES) return text;
  }
}

/**
 * From the start to the end of the line that begins with `last`, and some of what follows. The kernel writes the whole
 * file anyway; making a string of all of it is what can be saved.
 */
function readThrough(fd: number, last: string): string {
  const length = readSync(fd, chunk, 0, chunk.length, 0);
  if (length < HEAD_BYTES || length === chunk.length) return readWhole(fd);
  const head = chunk.toString("latin1", 0, HEAD_BYTES);
  const at = head.indexOf(last);
  return at >= 0 && head.includes("\n", at + 1) ? head : chunk.toString("latin1", 0, length);
}

function gone(cause: unknown): AssayError {
  return fail("denied", "the calling process has ended or cannot be read", { cause });
}

function isOutOfDescriptors(thrown: unknown): boolean {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return code === "EMFILE" || code === "ENFILE";
}

function startOf(text: string, name: string): number {
  const start = text.indexOf(`\n${name}:`);
  if (start < 0) throw fail("denied", `the status of the calling process has no ${name}`);
  return start;
}

function field(text: string, name: string): string {
  const start = startOf(text, name);
  const end = text.indexOf("\n", start + 1);
  return text.slice(start + name.length + 2, end < 0 ? undefined : end).trim();
}

function idAt(line: string, index: number): number {
  const word = line.split(/\s+/)[index];
  if (word === undefined || !/^\d+$/.test(word)) {
    throw fail("denied", "the ids of the calling process cannot be read");
  }
  return Number(word);
}

const chunk = Buffer.alloc(8192);
/** A process may have 65,536 groups; few have more than a handful. */
const MAX_KEPT_LINES = 1024;
const toldIds = new LruMap<string, ToldIds>(256);
/** Enough for the ids of a process with a few groups; all of the file is three times that. */
const HEAD_BYTES = 384;
/** `Groups` may name 65,536 of them. */
const MAX_FILE_BYTES = 1024 * 1024;
const USUAL_OPEN_FILES = 1024;
