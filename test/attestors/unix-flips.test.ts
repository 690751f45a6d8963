/** A process that starts one program after the other is at each moment one of them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Executables } from "../../src/attestors/workload/unix/executable.ts";
import { systemClock } from "../../src/base/clock.ts";
import { end, temporaryFolder } from "../support/caller.ts";

/** Two shells with different contents, and a process that becomes the one and the other for as long as it lives. */
async function flipping(t: Test) {
  const dir = temporaryFolder(t);
  const programs = ["one", "two"].map((name) => join(dir, name));
  const [one = "", two = ""] = programs;
  for (const program of programs) copyFileSync("/bin/sh", program);
  appendFileSync(two, "more");
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 2 ** 29 });
  const pairs = new Map<string, string | undefined>();
  for (const program of programs) {
    const child = spawn(program, ["-c", "read end"], { stdio: ["pipe", "ignore", "ignore"] });
    await once(child, "spawn");
    const { path, sha256 } = await executables.read(child.pid ?? 0);
    pairs.set(path, sha256);
    await end(child);
  }
  const script = join(dir, "flip");
  writeFileSync(script, 'exec "$2" "$0" "$2" "$1"\n');
  const child = spawn(one, [script, one, two], { stdio: "ignore" });
  t.teardown(() => end(child));
  await once(child, "spawn");
  return { executables, pairs, pid: child.pid ?? 0 };
}

t.test("no look has the path of one program and the hash of another", async (t) => {
  const { executables, pairs, pid } = await flipping(t);
  const seen = new Map<string, number>();
  let mixed = 0;
  for (let i = 0; i < 50_000; i += 1) {
    const look = executables.lookNow(pid);
    if (look?.isStill() !== true) continue;
    const { path, sha256 } = look.executable;
    seen.set(path, (seen.get(path) ?? 0) + 1);
    if (pairs.get(path) !== sha256) mixed += 1;
  }
  t.equal(mixed, 0, "at once");
  t.equal(seen.size, 2, "both were seen");
});

t.test("nor has what was waited for", async (t) => {
  const { executables, pairs, pid } = await flipping(t);
  let read = 0;
  let mixed = 0;
  for (let i = 0; i < 3000; i += 1) {
    const found = await executables.read(pid).catch(() => undefined);
    if (found === undefined) continue;
    read += 1;
    if (pairs.get(found.path) !== found.sha256) mixed += 1;
  }
  t.equal(mixed, 0);
  t.not(read, 0);
});
