import { existsSync, readFileSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "./patience.ts";

/** Where the hierarchies of cgroups are mounted that a process can be moved in, v1 and v2. */
export const HIERARCHIES = readFileSync("/proc/self/mountinfo", "utf8")
  .split("\n")
  .map((line) => line.split(" "))
  .filter((words) => /^cgroup2?$/.test(words[words.indexOf("-") + 1] ?? "") && words[3] === "/")
  .map((words) => words[4] ?? "")
  // Nothing can join a cpuset before it has processors and memory.
  .filter((mount) => !mount.endsWith("/cpuset"));

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
