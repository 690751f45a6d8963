import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import t from "tap";
import type { ProcessFacts, SelectorGap } from "../../src/attestors/contract.ts";
import { joinTokenAttestor } from "../../src/attestors/node/join-token/agent.ts";
import { AccountNames, parseAccounts } from "../../src/attestors/workload/unix/account-names.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { Executables } from "../../src/attestors/workload/unix/executable.ts";
import { Slots } from "../../src/attestors/workload/unix/slots.ts";
import {
  isLocalFile,
  isStillThere,
  look,
  lookNow,
} from "../../src/attestors/workload/unix/file-look.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type Logger, createLogger, silentLogger } from "../../src/observe/logger.ts";
import type { Selector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { end, temporaryFolder } from "../support/caller.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { workloadAttestorConformance } from "./workload-conformance.ts";

const never = new AbortController().signal;
const self: ProcessFacts = {
  pid: process.pid,
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  groups: [7, 8],
};

workloadAttestorConformance(t, () =>
  Promise.resolve({
    attestor: unixAttestor({ clock: systemClock, logger: silentLogger }),
    subject: self,
  }),
);

t.test("all eight selectors, as SPIRE writes them", async (t) => {
  const dir = temporaryFolder(t);
  const passwdFile = join(dir, "passwd");
  const groupFile = join(dir, "group");
  writeFileSync(passwdFile, `somebody:x:${self.uid}:${self.gid}::/:/bin/sh\n`);
  writeFileSync(groupFile, `some:x:${self.gid}:\nseven:x:7:a,b\n`);
  const attestor = unixAttestor({
    clock: systemClock,
    logger: silentLogger,
    passwdFile,
    groupFile,
  });
  const values = (await attestor.attest(self, attestCall())).map(({ value }) => value);
  const sha256 = createHash("sha256").update(readFileSync(process.execPath)).digest("hex");
  t.same(values, [
    `uid:${self.uid}`,
    `gid:${self.gid}`,
    "user:somebody",
    "group:some",
    "supplementary_gid:7",
    "supplementary_group:seven",
    "supplementary_gid:8",
    `path:${process.execPath}`,
    `sha256:${sha256}`,
  ]);
});

t.test(
  "what is known is told at once, in the same array, and read anew all the same",
  async (t) => {
    const dir = temporaryFolder(t);
    const [passwdFile, clock] = [join(dir, "passwd"), new VirtualClock()];
    writeFileSync(passwdFile, `before:x:${self.uid}\n`);
    const attestor = unixAttestor({ clock, logger: silentLogger, passwdFile });
    const now = (process: ProcessFacts): readonly Selector[] | undefined =>
      attestor.lookNow?.(process.pid)?.selectors(process);
    t.equal(now(self), undefined, "nobody has hashed it yet");
    const found = await attestor.attest(self, attestCall());
    t.equal(now(self), found);
    t.equal(await attestor.attest(self, attestCall()), found);
    t.equal(Object.isFrozen(found), true);
    t.equal(now({ ...self, pid: 2 ** 31 - 1 }), undefined, "no such process");
    const other = { ...self, groups: [7, 9] };
    t.same(now(other), await attestor.attest(other, attestCall()));
    t.equal(textsOf(now(other)).includes("supplementary_gid:9"), true);
    const crowd = { ...self, groups: Array.from({ length: 1000 }, (_, i) => i) };
    t.equal(
      textsOf(now(crowd)).filter((text) => text.startsWith("supplementary_gid:")).length,
      1000,
    );
    writeFileSync(passwdFile, `after:x:${self.uid}\n`);
    clock.step(1000);
    t.equal(textsOf(now(self)).includes("user:after"), true);
    t.equal(textsOf(now(self)).includes("user:before"), false);
  },
);

t.test("a process that starts another program is another at once", async (t) => {
  const dir = temporaryFolder(t);
  const programs = ["one", "two"].map((name) => join(dir, name));
  for (const program of programs) copyFileSync("/bin/sleep", program);
  const [one = "", two = ""] = programs;
  writeFileSync(two, Buffer.concat([readFileSync(two), Buffer.from("more")]));
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 2 ** 29 });
  const run = async (...command: string[]): Promise<ChildProcess> => {
    const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    t.teardown(() => end(child));
    await once(child, "spawn");
    return child;
  };
  const known = await executables.read((await run(one, "60")).pid ?? 0);
  await executables.read((await run(two, "60")).pid ?? 0);
  // A shell that becomes the one program, then is told to become the other: the same PID all along.
  const shell = await run("sh", "-c", `read go; exec "${one}" 60`);
  const pid = shell.pid ?? 0;
  await executables.read(pid);
  const before = executables.lookNow(pid);
  t.equal(before?.isStill(), true);
  t.equal(before?.executable.path.includes(one), false);
  shell.stdin?.write("go\n");
  while (executables.lookNow(pid)?.executable.path !== one) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.same(executables.lookNow(pid)?.executable, known);
  t.equal(before?.isStill(), false, "the program it was is not the program it is");
  const running = executables.lookNow(pid);
  t.equal(running?.isStill(), true);
  // The same path, replaced while it runs: its name tells, and a new process of that path is another program.
  rmSync(one);
  copyFileSync(two, one);
  t.equal(running?.isStill(), false);
  t.equal(executables.lookNow(pid), undefined, "a path never seen");
  t.same(await executables.read(pid), { ...known, path: `${one} (deleted)` });
  const successor = (await run(one, "60")).pid ?? 0;
  t.equal(executables.lookNow(successor), undefined, "a path known for another content");
  t.ok((await executables.read(successor)).sha256 !== known.sha256);
});

t.test("the same path with another content is another program", async (t) => {
  const program = join(temporaryFolder(t), "shell");
  copyFileSync("/bin/sh", program);
  const child = spawn(program, ["-c", `read go; exec "${program}" -c "read end"`]);
  t.teardown(() => end(child));
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 0 });
  await executables.read(pid);
  const look = executables.lookNow(pid);
  t.equal(look?.isStill(), true);
  rmSync(program);
  copyFileSync("/bin/sh", program);
  child.stdin.write("go\n");
  while ((await executables.read(pid).catch(() => undefined))?.path !== program) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(executables.lookNow(pid)?.executable.path, program);
  t.equal(look?.isStill(), false);
});

t.test("only programs on file systems of this machine are looked at at once", async (t) => {
  const where = { local: false };
  const asked: string[] = [];
  const executables = new Executables({
    clock: systemClock,
    procDir: "/proc",
    maxBytes: 0,
    isLocal: (path) => {
      asked.push(path);
      return Promise.resolve(where.local);
    },
  });
  const want = { path: process.execPath };
  for (let i = 0; i < 3; i++) {
    t.same(await executables.read(process.pid), want);
    t.equal(executables.lookNow(process.pid), undefined, "not without the thread pool");
  }
  t.same(asked, [`/proc/${process.pid}/exe`], "a file is judged once");
  const others = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 0 });
  await others.read(process.pid);
  t.same(others.lookNow(process.pid)?.executable, want, "this test runs from a disk");
});

t.test("looking at once sees what looking with time sees", async (t) => {
  const file = join(temporaryFolder(t), "file");
  writeFileSync(file, "x".repeat(1234));
  for (const path of [file, process.execPath, "/proc/self/exe", "/dev/null", "/proc/self/status"]) {
    const now = lookNow(path);
    t.match(now, { ...(await look(path)) }, path);
    t.equal(now !== undefined && isStillThere(path, now), true, path);
  }
  const before = lookNow(file);
  t.equal(before?.size, 1234);
  const isStill = (path: string): boolean => before !== undefined && isStillThere(path, before);
  t.equal(isStill(file), true);
  t.equal(isStill(process.execPath), false);
  t.equal(isStill(join(file, "none")), false);
  utimesSync(file, 1, 1);
  t.ok(lookNow(file)?.key !== before?.key, "the change time counts, and nobody can set it");
  t.equal(isStill(file), false);
  t.equal(lookNow(join(file, "none")), undefined);
  await t.rejects(look(join(file, "none")), { code: "ENOTDIR" });
  t.equal(await isLocalFile("/dev/shm"), true);
  t.equal(await isLocalFile("/proc/self/status"), false);
  await t.rejects(isLocalFile(join(file, "none")), { code: "ENOTDIR" });
});

t.test("an executable that cannot be read costs path and sha256 only, and is told", async (t) => {
  const lines: string[] = [];
  const attestor = unixAttestor({
    clock: systemClock,
    logger: loggerInto(lines),
    procDir: join(temporaryFolder(t), "none"),
  });
  const names = (await attestor.attest(self, attestCall())).map(({ value }) => value.split(":")[0]);
  t.ok(names.includes("uid"));
  t.equal(names.includes("path"), false);
  t.equal(names.includes("sha256"), false);
  t.match(lines.join(""), /executable not discovered/);
});

t.test("discovery of the executable can be turned off", async (t) => {
  const attestor = unixAttestor({
    clock: systemClock,
    logger: silentLogger,
    discoverExecutable: false,
  });
  t.equal(attestor.names.includes("path"), false);
  const names = (await attestor.attest(self, attestCall())).map(({ value }) => value.split(":")[0]);
  t.equal(names.includes("path"), false);
});

t.test("the running file is hashed, whatever its path now leads to", async (t) => {
  const dir = temporaryFolder(t);
  const program = join(dir, "program");
  copyFileSync("/bin/sleep", program);
  const before = readFileSync(program);
  const child = spawn(program, ["60"], { stdio: "ignore" });
  t.teardown(() => end(child));
  await once(child, "spawn");
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 2 ** 29 });
  const sha256 = createHash("sha256").update(before).digest("hex");
  t.same(await executables.read(child.pid ?? 0), { path: program, sha256 });
  rmSync(program);
  writeFileSync(program, "#!/bin/sh\necho something else\n");
  t.same(await executables.read(child.pid ?? 0), { path: `${program} (deleted)`, sha256 });
});

t.test("a hash is kept by device, inode, change time and size, not by PID", async (t) => {
  const dir = temporaryFolder(t);
  const program = join(dir, "program");
  copyFileSync("/bin/sleep", program);
  const running: ChildProcess[] = [];
  t.teardown(() => Promise.all(running.map((child) => end(child))));
  const run = async (): Promise<number> => {
    const child = spawn(program, ["60"], { stdio: "ignore" });
    running.push(child);
    await once(child, "spawn");
    return child.pid ?? 0;
  };
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 2 ** 29 });
  const first = await executables.read(await run());
  t.same(await executables.read(await run()), first);
  await Promise.all(running.map((child) => end(child)));
  // The same path, inode and size, other content: the change time tells.
  const { ino } = statSync(program);
  const bytes = readFileSync(program);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const file = openSync(program, "r+");
  writeSync(file, bytes);
  closeSync(file);
  utimesSync(program, 0, 0);
  t.equal(statSync(program).ino, ino);
  const second = await executables.read(await run());
  t.equal(second.sha256, createHash("sha256").update(bytes).digest("hex"));
  t.ok(second.sha256 !== first.sha256);
});

t.test("a file above the bound has a path and no hash", async (t) => {
  for (const maxBytes of [0, 1000]) {
    const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes });
    t.same(await executables.read(process.pid), { path: process.execPath });
  }
});

t.test("a deadline costs the hash, not the path or the user", async (t) => {
  const attestor = unixAttestor({ clock: systemClock, logger: silentLogger });
  const given = new AbortController();
  const gaps: SelectorGap[] = [];
  const pending = attestor.attest(self, attestCall(given.signal, gaps));
  given.abort(new Error("late"));
  const names = (await pending).map(({ value }) => value.split(":")[0]);
  t.ok(names.includes("uid"));
  t.ok(names.includes("path"));
  t.notOk(names.includes("sha256"));
  t.same(
    gaps.map(({ names, isTransient }) => ({ names, isTransient })),
    [{ names: ["sha256"], isTransient: true }],
    "and it says that there is more to say",
  );
});

t.test("other users' large programs delay a hash, and never cost a path", async (t) => {
  const dir = temporaryFolder(t);
  const large = join(dir, "large");
  copyFileSync("/bin/sleep", large);
  truncateSync(large, 400 * 1024 * 1024);
  const child = spawn(large, ["60"], { stdio: "ignore" });
  t.teardown(() => end(child));
  await once(child, "spawn");
  const lines: string[] = [];
  const attestor = unixAttestor({ clock: systemClock, logger: loggerInto(lines) });
  const ahead = new AbortController();
  const behind = attestor.attest({ ...self, pid: child.pid ?? 0 }, attestCall(ahead.signal));
  const patience = new AbortController();
  const waiting = attestor.attest(self, attestCall(patience.signal));
  setImmediate(() => patience.abort(new Error("late")));
  const values = (await waiting).map(({ value }) => value);
  t.ok(values.includes(`path:${process.execPath}`));
  t.notOk(values.some((value) => value.startsWith("sha256:")));
  t.ok(lines.some((line) => line.includes("not hashed in time")));
  await behind;
});

t.test("users take turns: one user's large programs are no other user's wait", async (t) => {
  const dir = temporaryFolder(t);
  const run = async (name: string, bytes: number): Promise<number> => {
    const program = join(dir, name);
    copyFileSync("/bin/sleep", program);
    truncateSync(program, bytes);
    const child = spawn(program, ["60"], { stdio: "ignore" });
    t.teardown(() => end(child));
    await once(child, "spawn");
    return child.pid ?? 0;
  };
  const executables = new Executables({ clock: systemClock, procDir: "/proc", maxBytes: 2 ** 29 });
  const done: string[] = [];
  const read = (name: string, pid: number, uid: number): Promise<unknown> =>
    executables.read(pid, { uid }).then(() => done.push(name));
  const large: number[] = [];
  for (let i = 0; i < 8; i++) large.push(await run(`large${i}`, 100 * 1024 * 1024));
  const [shared, own] = [await run("shared", 100_000), await run("own", 100_000)];
  const greedy = large.map((pid, i) => read(`large${i}`, pid, 1001));
  greedy.push(read("shared", shared, 1001));
  await greedy[0];
  await Promise.all([...greedy, read("shared of another", shared, 1002), read("own", own, 1002)]);
  const places = ["shared of another", "own"].map((name) => done.indexOf(name));
  t.ok(Math.max(...places) < 8, done.join());
});

t.test("slots: a line for each user, in turns, with a bound", async (t) => {
  const slots = new Slots({ max: 1, maxWaiting: 6, maxWaitingEach: 3 });
  const ran: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = slots.run(1, () => gate.promise);
  const task = (name: string) => async (): Promise<void> => void ran.push(name);
  const waiting = ["a1", "a2", "a3"].map((name) => slots.start([1], task(name)));
  t.throws(
    () => slots.start([1], task("a4")),
    { message: /too many executables wait/ },
    "its line is full",
  );
  waiting.push(slots.start([2], task("b1")), slots.start([1, 2], task("b2")));
  waiting[2]?.join(3);
  waiting[2]?.join(3);
  t.throws(
    () => slots.start([4], task("d1")),
    { message: /too many executables wait/ },
    "all lines are",
  );
  waiting[0]?.join(4);
  gate.resolve();
  await Promise.all([first, ...waiting.map(({ done }) => done)]);
  t.same(ran, ["a1", "b1", "a3", "a2", "b2"], "a task in two lines runs once");
  waiting[0]?.join(2);
  const failing = slots.run(1, () => Promise.reject(new Error("no")));
  const after = Array.from({ length: 3 }, (_, i) => slots.run(1, task(`e${i}`)));
  await t.rejects(failing, { message: "no" });
  await Promise.all(after);
  t.same(ran.slice(5), ["e0", "e1", "e2"], "no place is lost");
});

/** A pipe's end to write into, once somebody reads it. */
function openIfRead(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined; // ENXIO
  }
}

t.test("a full line costs its user hashes, not paths, and other users nothing", async (t) => {
  const dir = temporaryFolder(t);
  const executables = new Executables({ clock: systemClock, procDir: dir, maxBytes: 2 ** 29 });
  const pids = Array.from({ length: 400 }, (_, pid) => pid);
  const programs = pids.map((pid) => join(dir, `program${pid}`));
  const [slow = ""] = programs;
  for (const [pid, program] of programs.entries()) {
    mkdirSync(join(dir, String(pid)));
    if (pid > 0) writeFileSync(program, String(pid));
    symlinkSync(program, join(dir, String(pid), "exe"));
  }
  // Its hash is the first, waits for whoever writes, and comes to nothing: it was open for writing.
  execFileSync("mkfifo", [slow]);
  const first = executables.read(0, { uid: 1001 }).catch(() => undefined);
  let writer: number | undefined;
  while ((writer = openIfRead(slow)) === undefined)
    await new Promise((resolve) => setImmediate(resolve));
  const full = Promise.withResolvers<void>();
  let late = 0;
  const crowd = Promise.all(
    pids.slice(1).map(async (pid) => {
      const found = await executables.read(pid, { uid: 1001 });
      late += found.isLate === true ? 1 : 0;
      if (late === 400 - 1 - 256) full.resolve();
      return found;
    }),
  );
  await Promise.race([full.promise, crowd]);
  const others = pids.slice(1).map((pid) => executables.read(pid, { uid: 1002 + (pid % 4) }));
  closeSync(writer);
  const all = await Promise.all(others);
  t.ok(all.every(({ sha256 }) => sha256 !== undefined));
  t.same(
    (await crowd).map(({ path }) => path),
    programs.slice(1),
  );
  await first;
  t.equal(late, 400 - 1 - 256);
});

t.test("account files: odd lines are skipped, the first name of an id counts", (t) => {
  const cases: [string, [number, string][]][] = [
    ["", []],
    ["root:x:0:0::/:/bin/sh", [[0, "root"]]],
    ["a:x:1\nb:x:1\n", [[1, "a"]]],
    ["# a comment:x:1\n+nis:x:2\n-x:x:3\n", []],
    [":x:1\nname\nname:x\nname:x:\nname:x:-1\nname:x:1e3\nname:x:0x10\n", []],
    ["name:x:12345678901\n", []],
    ["ok:x:5:\r\n", [[5, "ok"]]],
  ];
  for (const [text, want] of cases) t.same([...parseAccounts(text)], want, JSON.stringify(text));
  t.end();
});

t.test("account files are read anew when they change, and may vanish", (t) => {
  const file = join(temporaryFolder(t), "passwd");
  const lines: string[] = [];
  const clock = new VirtualClock();
  const names = new AccountNames(file, clock, loggerInto(lines));
  t.equal(names.nameOf(5), undefined);
  t.equal(names.nameOf(5), undefined);
  t.equal(lines.length, 1, "told once");
  writeFileSync(file, "five:x:5\n");
  t.equal(names.nameOf(5), undefined, "looked at a moment ago");
  clock.step(1000);
  t.equal(names.nameOf(5), "five");
  writeFileSync(file, "cinq:x:5\n");
  clock.step(1000);
  t.equal(names.nameOf(5), "cinq");
  rmSync(file);
  clock.step(-5000);
  t.equal(names.nameOf(5), undefined);
  t.end();
});

t.test("a join token proves by itself, once and without a challenge", async (t) => {
  const proof = await joinTokenAttestor("abc").prove(never);
  t.equal(proof.type, "join_token");
  t.equal(new TextDecoder().decode(proof.payload), "abc");
  await t.rejects(proof.respond(new Uint8Array(1)), { name: "AssayError", kind: "unsupported" });
  await t.rejects(joinTokenAttestor("").prove(never), { name: "AssayError", kind: "precondition" });
});

function loggerInto(lines: string[]): Logger {
  return createLogger({
    level: "debug",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
}

function textsOf(selectors: readonly Selector[] | undefined): string[] {
  return (selectors ?? []).map(({ value }) => value);
}
