/**
 * Programs on a medium that its user takes out, changes and puts in again: a hash that was remembered is not its. Needs
 * root, for whom anything may be mounted.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { attestCall } from "../support/attest-call.ts";
import { needPackages } from "../support/debian.ts";
import { end, temporaryFolder } from "../support/caller.ts";
import { until } from "../support/patience.ts";

await needPackages(["e2fsprogs", "mount"]);
const FACTS = { uid: 0, gid: 0, groups: [] };

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8" }).trim();
}

/** A file system with one program, on a loop device that stands for a stick: its number stays the same. */
function stick(t: Test): { readonly device: string; readonly image: string } {
  const dir = temporaryFolder(t);
  const image = join(dir, "image");
  run(
    "sh",
    "-ec",
    `mkdir ${dir}/files; cp /bin/sleep ${dir}/files/app; printf FIRST >>${dir}/files/app
truncate --size=4M ${image}; mkfs.ext4 -q -O ^has_journal -d ${dir}/files ${image}`,
  );
  const device = run("losetup", "--find", "--show", image);
  t.teardown(() => run("losetup", "--detach", device));
  return { device, image };
}

/** Runs the program in a mount namespace of its own, with which the file system goes. */
async function start(t: Test, device: string): Promise<ChildProcess & { pid: number }> {
  const script = `mount ${device} /mnt && exec /mnt/app 100000`;
  const child = spawn("unshare", ["--mount", "sh", "-c", script], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  t.teardown(() => end(child));
  const { pid = 0 } = child;
  await until("it runs", () => readlinkSync(`/proc/${pid}/exe`) === "/mnt/app");
  return Object.assign(child, { pid });
}

t.test("the same file number, change time and size on the same device number", async (t) => {
  const attestor = unixAttestor({ clock: systemClock, logger: silentLogger });
  const { device, image } = stick(t);
  const hashOf = async (pid: number): Promise<string | undefined> => {
    const facts = { pid, ...FACTS };
    const selectors = await attestor.attest(facts, attestCall());
    t.same(attestor.lookNow?.(pid)?.selectors(facts), selectors, "at once as with time");
    return selectors.find(({ value }) => value.startsWith("sha256:"))?.value;
  };
  const sha256 = (file: string): string =>
    `sha256:${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
  const first = await start(t, device);
  const known = await hashOf(first.pid);
  t.equal(known, sha256(`/proc/${first.pid}/exe`));
  await end(first);

  const bytes = readFileSync(image);
  const at = bytes.indexOf("FIRST");
  t.ok(at > 0);
  const raw = openSync(device, "r+");
  writeSync(raw, "OTHER", at);
  closeSync(raw);
  const other = await start(t, device);
  const truth = sha256(`/proc/${other.pid}/exe`);
  t.not(truth, known, "another program");
  t.equal(await hashOf(other.pid), truth);
});
