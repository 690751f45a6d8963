import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, hasCode } from "../../base/errors.ts";

/**
 * One `assay dev` at a time on a state folder: a file with the process and when it began, so that a process ID that
 * was given to another program is no holder. A holder that was killed leaves a file that nobody minds.
 * @throws conflict naming the holder
 */
export function lockState(folder: string): Disposable {
  const path = join(folder, "dev.pid");
  const own = `${process.pid} ${startOf(process.pid) ?? "unknown"}\n`;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, own, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      if (linked(draft, path)) return { [Symbol.dispose]: () => unlock(path, own) };
      const holder = liveHolder(path);
      if (holder !== undefined) {
        throw fail(
          "conflict",
          `'assay dev' already runs on ${folder} (process ${holder}); end it, or give this one another --data-dir`,
        );
      }
      rmSync(path, { force: true });
    }
    throw fail("conflict", `another 'assay dev' took ${folder} just now; try again`);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Linking is the one step that at most one of several starters can win, and the file is whole when it appears. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

function liveHolder(path: string): number | undefined {
  const [pidText = "", start] = readText(path).trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const now = startOf(pid);
  if (now !== undefined) return now === start ? pid : undefined;
  return process.platform !== "linux" && isAlive(pid) ? pid : undefined;
}

function unlock(path: string, own: string): void {
  if (readText(path) === own) rmSync(path, { force: true });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Gone in the meantime, which is an answer.
    return "";
  }
}

/** Clock ticks since boot at which a process began (proc(5), field 22 of stat); undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // The second field is the program's name in brackets and may hold anything.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}
