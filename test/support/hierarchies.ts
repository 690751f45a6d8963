import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { until } from "./patience.ts";

/** Where the hierarchies of cgroups are mounted that a process can be moved in, v1 and v2. */
export const HIERARCHIES = readFileSync("/proc/self/mountinfo", "utf8")
  .split("\n")
  .map((line) => line.split(" "))
  .filter((words) => /^cgroup2?$/.test(words[words.indexOf("-") + 1] ?? "") && words[3] === "/")
  .map((words) => words[4] ?? "")
  // Nothing can join a cpuset before it has processors and memory.
  .filter((mount) => !mount.endsWith("/cpuset"));

/**
 * Makes a cgroup that no other test has, and those above it that are missing; other tests may make and remove the same
 * ones above at this moment.
 * @returns those above that were made here, the innermost first, for `removeEmpty`
 */
export function makeCgroup(folder: string): readonly string[] {
  const above = new Set<string>();
  for (;;) {
    for (let at = dirname(folder); !existsSync(at); at = dirname(at)) above.add(at);
    try {
      mkdirSync(folder, { recursive: true });
      return [...above].sort((a, b) => b.length - a.length);
    } catch (error) {
      // One above was removed between two steps.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** Removes those of these cgroups that nobody else has anything in. */
export function removeEmpty(folders: readonly string[]): void {
  for (const folder of folders) {
    try {
      rmdirSync(folder);
    } catch {
      return; // another test's is in it, and so in those above
    }
  }
}

/** Removes a cgroup and those below it, once their last processes have left. */
export async function removeCgroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(folder, entry.name));
  }
  await until(`nothing is left in ${folder}`, () => {
    try {
      rmdirSync(folder);
      return true;
    } catch {
      return false;
    }
  });
}
