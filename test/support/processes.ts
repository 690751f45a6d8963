import { readdirSync, readFileSync } from "node:fs";

/** The command lines of all processes on this machine, one a line: what a test has left running shows there. */
export function commandLines(): string {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // it has ended meanwhile
      }
    })
    .join("\n");
}
