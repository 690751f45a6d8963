import { closeSync, openSync, readSync } from "node:fs";
import { fail } from "../../base/errors.ts";

/** What /proc/PID/status says of a process (proc_pid_status(5)): effective ids, as the kernel grants by them. */
export interface ProcessStatus {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** @throws denied when there is no such process (any more) */
export function readStatus(procDir: string, pid: number): ProcessStatus {
  return parseStatus(readProcFile(procDir, pid, "status"));
}

/** @throws denied when a line is missing */
export function parseStatus(text: string): ProcessStatus {
  // The name comes first and may hold anything but a line feed: only whole lines count.
  return {
    uid: idAt(field(text, "Uid"), 1),
    gid: idAt(field(text, "Gid"), 1),
    groups: field(text, "Groups")
      .split(/\s+/)
      .filter((word) => /^\d+$/.test(word))
      .map(Number),
  };
}

/**
 * Clock ticks since boot at which the process started, as text; `undefined` for one that has ended and only waits to
 * be collected.
 * @throws denied when there is no such process
 */
export function readStartTime(procDir: string, pid: number): string | undefined {
  return parseStartTime(readProcFile(procDir, pid, "stat"));
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

function readProcFile(procDir: string, pid: number, name: string): string {
  try {
    return readSmallFile(`${procDir}/${pid}/${name}`);
  } catch (cause) {
    throw fail("denied", "the calling process has ended or cannot be read", { cause });
  }
}

/** Twice as fast as readFileSync, and done for each call of each workload. */
function readSmallFile(path: string): string {
  const fd = openSync(path, "r");
  try {
    let text = "";
    for (;;) {
      const length = readSync(fd, chunk, 0, chunk.length, null);
      text += chunk.toString("latin1", 0, length);
      // A short read of a file under /proc is its end.
      if (length < chunk.length || text.length > MAX_FILE_BYTES) return text;
    }
  } finally {
    closeSync(fd);
  }
}

const chunk = Buffer.alloc(8192);
/** `Groups` may name 65,536 of them. */
const MAX_FILE_BYTES = 1024 * 1024;

function field(text: string, name: string): string {
  const start = text.indexOf(`\n${name}:`);
  if (start < 0) throw fail("denied", `the status of the calling process has no ${name}`);
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
