/** What the kernel tells of files, and what it had to leave out. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Executables } from "../../src/attestors/workload/unix/executable.ts";
import { FileWatches, fileWatches } from "../../src/attestors/workload/unix/file-watches.ts";
import { systemClock } from "../../src/base/clock.ts";
import { libc } from "../../src/base/libc.ts";

function folder(t: Test, parent = tmpdir()): string {
  const path = mkdtempSync(join(parent, "assay-watches-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Watches a file by its name; it is closed at once. */
function watch(watches: FileWatches, path: string, onChange: () => void): () => void {
  const fd = openSync(path, "r");
  try {
    return watches.watch(fd, onChange);
  } finally {
    closeSync(fd);
  }
}

/** Has more happen than the kernel keeps, unread: with each write a file is told of, and that it is watched no more. */
function overflow(t: Test, watches: FileWatches): void {
  const most = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
  const fd = openSync(join(folder(t), "busy"), "w");
  for (let i = 0; i < most / 2 + 100; i += 1) {
    watches.watch(fd, () => undefined);
    writeSync(fd, "x");
  }
  closeSync(fd);
}

t.test("each file is told of once, to all who asked, when it is heard", async (t) => {
  using watches = new FileWatches();
  const dir = folder(t);
  const told: string[] = [];
  const file = (name: string): string => {
    const path = join(dir, name);
    writeFileSync(path, "before");
    watch(watches, path, () => told.push(name));
    return path;
  };
  const ways: [string, (path: string) => void][] = [
    ["written", (path) => appendFileSync(path, "x")],
    ["opened for writing", (path) => closeSync(openSync(path, "r+"))],
    ["mode", (path) => chmodSync(path, 0o700)],
    ["renamed", (path) => renameSync(path, `${path}.old`)],
    ["removed", (path) => rmSync(path)],
  ];
  const untouched = file("untouched");
  for (const [name, change] of ways) change(file(name));
  t.same(told, [], "nothing is told before");
  watches.hear();
  t.same(
    told.splice(0),
    ways.map(([name]) => name),
  );
  writeFileSync(join(dir, "written"), "again");
  watches.hear();
  t.same(told, [], "once");

  const second = watch(watches, untouched, () => told.push("second"));
  const third = watch(watches, untouched, () => told.push("third"));
  second();
  second();
  appendFileSync(untouched, "x");
  third();
  watch(watches, untouched, () => told.push("new"));
  watches.hear();
  t.same(told, ["untouched"], "neither those who left nor those who came later");
  appendFileSync(untouched, "x");
  watches.hear();
  t.same(told, ["untouched", "new"]);
});

t.test("after an overflow every file counts as changed, and is watched anew", async (t) => {
  using watches = new FileWatches();
  const path = join(folder(t), "untouched");
  writeFileSync(path, "");
  let told = 0;
  watch(watches, path, () => (told += 1));
  overflow(t, watches);
  t.equal(told, 0);
  watches.hear();
  t.equal(told, 1);
  watch(watches, path, () => (told += 1));
  watches.hear();
  t.equal(told, 1);
  appendFileSync(path, "x");
  watches.hear();
  t.equal(told, 2);
});

t.test("no hash is remembered beyond an overflow", async (t) => {
  const program = join(folder(t), "program");
  copyFileSync("/bin/sleep", program);
  const child = spawn(program, ["60"], { stdio: "ignore" });
  t.teardown(() => child.kill());
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 1e8 });
  const known = await executables.read(pid);
  const look = executables.lookNow(pid);
  t.same(look?.executable, known);
  t.equal(look?.isStill(), true);
  overflow(t, fileWatches());
  t.equal(look?.isStill(), false);
  t.equal(executables.lookNow(pid), undefined);
  t.same(await executables.read(pid), known, "hashed anew");
  t.same(executables.lookNow(pid)?.executable, known);
});

/** Writes a file's last byte as memory: without a change time and without a word where it lies in memory anyway. */
function writeMapped(path: string): void {
  const c = libc();
  if (c === undefined) throw new Error("this is for Linux");
  const map = c.func(
    "uintptr_t mmap(uintptr_t at, size_t size, int rights, int how, int fd, long from)",
  );
  const unmap = c.func("int munmap(uintptr_t at, size_t size)");
  const compare = c.func("int memcmp(uintptr_t one, uintptr_t other, size_t size)");
  const fill = c.func("uintptr_t memset(uintptr_t at, int byte, size_t size)");
  const { size } = statSync(path);
  const fd = openSync(path, "r+");
  const at = map(0, size, 3, 1, fd, 0);
  closeSync(fd);
  const last = at + size - 1;
  compare(last, last, 1);
  fill(last, 0x5a, 1);
  unmap(at, size);
}

/** On a file system in memory, where one is that programs may be run from. */
function folderInMemory(t: Test): string {
  const path = existsSync("/dev/shm") ? folder(t, "/dev/shm") : folder(t);
  const program = join(path, "try");
  copyFileSync("/bin/true", program);
  return spawnSync(program).status === 0 ? path : folder(t);
}

t.test("a program that was written to as memory is another one", async (t) => {
  const program = join(folderInMemory(t), "program");
  const run = async (): Promise<ChildProcess> => {
    const child = spawn(program, ["60"], { stdio: "ignore" });
    t.teardown(() => child.kill());
    await once(child, "spawn");
    return child;
  };
  copyFileSync("/bin/sleep", program);
  appendFileSync(program, "end");
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 1e8 });
  const child = await run();
  const known = await executables.read(child.pid ?? 0);
  t.same(executables.lookNow(child.pid ?? 0)?.executable, known);
  child.kill();
  await once(child, "exit");
  writeMapped(program);
  const { pid = 0 } = await run();
  t.equal(executables.lookNow(pid), undefined);
  t.not((await executables.read(pid)).sha256, known.sha256);
});

t.test("no hash of a program in memory alone is remembered", async (t) => {
  const c = libc();
  if (c === undefined) throw new Error("this is for Linux");
  const fd = c.func("int memfd_create(const char *name, unsigned int flags)")("program", 0);
  t.teardown(() => closeSync(fd));
  const bytes = readFileSync("/bin/sleep");
  writeSync(fd, bytes);
  writeSync(fd, "end");
  const path = `/proc/${process.pid}/fd/${fd}`;
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 1e8 });
  const hashes: unknown[] = [];
  for (let time = 0; time < 2; time += 1) {
    const child = spawn(path, ["60"], { stdio: "ignore" });
    t.teardown(() => child.kill());
    await once(child, "spawn");
    const { pid = 0 } = child;
    hashes.push((await executables.read(pid)).sha256);
    t.equal(executables.lookNow(pid), undefined);
    child.kill();
    await once(child, "exit");
    if (time === 0) writeMapped(path);
  }
  t.not(hashes[0], hashes[1]);
});

t.test("what cannot be watched says why", async (t) => {
  using watches = new FileWatches();
  t.throws(() => watches.watch(-1, () => undefined), { code: "ENOENT" });
});
