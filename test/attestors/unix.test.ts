import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import t from "tap";
import type { ProcessFacts } from "../../src/attestors/contract.ts";
import { joinTokenAttestor } from "../../src/attestors/node/join-token/agent.ts";
import { AccountNames, parseAccounts } from "../../src/attestors/workload/unix/account-names.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { Executables } from "../../src/attestors/workload/unix/executable.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type Logger, createLogger, silentLogger } from "../../src/observe/logger.ts";
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
  const values = (await attestor.attest(self, never)).map(({ value }) => value);
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

t.test("an executable that cannot be read costs path and sha256 only, and is told", async (t) => {
  const lines: string[] = [];
  const attestor = unixAttestor({
    clock: systemClock,
    logger: loggerInto(lines),
    procDir: join(temporaryFolder(t), "none"),
  });
  const names = (await attestor.attest(self, never)).map(({ value }) => value.split(":")[0]);
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
  const names = (await attestor.attest(self, never)).map(({ value }) => value.split(":")[0]);
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
  const executables = new Executables({ procDir: "/proc", maxBytes: 2 ** 29 });
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
  const executables = new Executables({ procDir: "/proc", maxBytes: 2 ** 29 });
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
    const executables = new Executables({ procDir: "/proc", maxBytes });
    t.same(await executables.read(process.pid), { path: process.execPath });
  }
});

t.test("a deadline costs the hash, not the path or the user", async (t) => {
  const attestor = unixAttestor({ clock: systemClock, logger: silentLogger });
  const given = new AbortController();
  const pending = attestor.attest(self, given.signal);
  given.abort(new Error("late"));
  const names = (await pending).map(({ value }) => value.split(":")[0]);
  t.ok(names.includes("uid"));
  t.ok(names.includes("path"));
  t.notOk(names.includes("sha256"));
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
  const behind = attestor.attest({ ...self, pid: child.pid ?? 0 }, ahead.signal);
  const patience = new AbortController();
  const waiting = attestor.attest(self, patience.signal);
  setImmediate(() => patience.abort(new Error("late")));
  const values = (await waiting).map(({ value }) => value);
  t.ok(values.includes(`path:${process.execPath}`));
  t.notOk(values.some((value) => value.startsWith("sha256:")));
  t.ok(lines.some((line) => line.includes("not hashed in time")));
  await behind;
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
