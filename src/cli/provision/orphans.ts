/** What the first process of a container owes the kernel: its orphans' ends are collected (wait(2)). */
import { readFileSync, readdirSync } from "node:fs";
import { libc } from "../../base/libc.ts";

/**
 * Collects the ends of processes that were left to this one, which Node knows nothing of. Only the first process of a PID
 * namespace inherits any.
 * @param own the child that Node waits for itself
 * @returns how to stop it
 */
export function collectOrphans(own: number | undefined): () => void {
  if (process.pid !== 1) return () => undefined;
  const wait = libc()?.func("int waitpid(int pid, void *status, int options)");
  if (wait === undefined) return () => undefined;
  const onChild = (): void => {
    for (const pid of childrenOf(process.pid)) {
      if (pid !== own && hasEnded(pid)) wait(pid, null, WNOHANG);
    }
  };
  process.on("SIGCHLD", onChild);
  return () => process.off("SIGCHLD", onChild);
}

/** proc(5); none where the kernel does not tell. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
        .split(" ")
        .filter((text) => text !== "")
        .map(Number),
    );
  } catch {
    // A thread that ended meanwhile, or no such file: the next signal looks again.
    return [];
  }
}

/** A state of Z: it has ended, and nobody has asked how. */
function hasEnded(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    // Somebody has asked.
    return false;
  }
}

const WNOHANG = 1;
