import { readdirSync, readFileSync } from "node:fs";

export interface RunningProcess {
  readonly pid: number;
  /** Its arguments with a blank after each; empty for a kernel thread. */
  readonly command: string;
}

/** All processes on this machine. */
export function runningProcesses(): RunningProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        const text = readFileSync(`/proc/${name}/cmdline`, "utf8");
        return { pid: Number(name), command: text.replaceAll("\0", " ") };
      } catch {
        return { pid: Number(name), command: "" }; // it has ended meanwhile
      }
    });
}

/** The command lines of all processes, one a line: what a test has left running shows there. */
export function commandLines(): string {
  return runningProcesses()
    .map(({ command }) => command)
    .join("\n");
}
