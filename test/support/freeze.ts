import { readFileSync, readdirSync } from "node:fs";
import { until } from "./patience.ts";

/** Stops a process, all its threads: one that runs on another core may answer for a while after the signal. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await until(`process ${pid} stands still`, () => isStopped(pid), 1);
}

export function thaw(pid: number): void {
  process.kill(pid, "SIGCONT");
}

function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "latin1");
    return stat.charAt(stat.lastIndexOf(")") + 2) === "T";
  });
}
