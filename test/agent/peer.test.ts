import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { PeerWatch } from "../../src/agent/peer/peer-watch.ts";
import { type Native, native } from "../../src/agent/peer/native.ts";
import { openPeer, trackPeer } from "../../src/agent/peer/peer.ts";
import { StatusFile, parseStartTime, parseStatus } from "../../src/agent/peer/proc.ts";
import { Acceptor, connectingProcess, end, temporaryFolder } from "../support/caller.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const exec = promisify(execFile);
const PROOFS = ["pidfd", "start-time"] as const;

t.test("a caller is named by the kernel, with its facts as they are now", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  for (const proof of PROOFS) {
    const client = connect(acceptor.path);
    const peer = trackPeer(await acceptor.accept(), { proof });
    t.equal(peer.pid, process.pid, proof);
    const { groups, ...ids } = peer.read();
    t.same(ids, { pid: process.pid, uid: process.geteuid?.(), gid: process.getegid?.() });
    t.ok(groups.every((gid) => process.getgroups?.().includes(gid)));
    t.equal(peer.alive(), true);
    t.equal(peer.pidfd !== undefined, proof === "pidfd");
    peer.release();
    peer.release();
    t.throws(() => peer.read(), { name: "AssayError", kind: "denied" });
    client.destroy();
  }
});

t.test("a process that has ended gets nothing, even while it waits to be collected", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  for (const proof of PROOFS) {
    const child = connectingProcess(acceptor.path);
    const peer = trackPeer(await acceptor.accept(), { proof });
    t.equal(peer.pid, child.pid);
    t.equal(peer.read().pid, child.pid);
    await end(child);
    t.equal(peer.alive(), false);
    t.throws(() => peer.read(), { kind: "denied", message: /ended/ });
    peer.release();
  }
});

t.test("a process named by its number is held like a caller", async (t) => {
  for (const proof of PROOFS) {
    const child = connectingProcess("/nonexistent");
    const pid = child.pid ?? 0;
    const peer = openPeer(pid, { proof });
    t.equal(peer.read().uid, process.geteuid?.());
    t.equal(peer.pidfd !== undefined, proof === "pidfd");
    await end(child);
    t.throws(() => peer.read(), { kind: "denied", message: /ended/ });
    peer.release();
    t.throws(() => openPeer(pid, { proof }), { name: "AssayError", kind: "not_found" });
  }
  t.throws(() => openPeer(2 ** 31 - 1), { name: "AssayError", kind: "not_found" });
});

t.test("a zombie has ended", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  // The shell never waits for its child: it execs a sleeper that knows nothing of it.
  const parent = spawn(
    "sh",
    [
      "-c",
      `"$0" -e 'require("net").connect(process.argv[1]).resume()' "$1" & exec sleep 60`,
      process.execPath,
      acceptor.path,
    ],
    { stdio: "ignore" },
  );
  t.teardown(() => end(parent));
  const peers = PROOFS.map((proof) => ({ proof }));
  const socket = await acceptor.accept();
  const tracked = peers.map((options) => trackPeer(socket, options));
  for (const peer of tracked) t.equal(peer.read().pid, peer.pid);
  const closed = once(socket, "close");
  socket.resume();
  t.ok(tracked.every((peer) => peer.pid > 1));
  process.kill(tracked[0]?.pid || Number.NaN, "SIGKILL");
  await closed;
  // Sockets close, and the main thread ends, a moment before the whole process counts as ended.
  while (tracked.some((peer) => peer.alive())) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(isZombie(tracked[0]?.pid), true, "nobody has collected it");
  for (const peer of tracked) {
    t.throws(() => peer.read(), { kind: "denied", message: /ended/ });
    peer.release();
  }
});

t.test("a recycled PID gets nothing of its predecessor's", async (t) => {
  const child = join(import.meta.dirname, "../support/recycle-child.ts");
  const rights = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const own = [...rights, "--pid", "--fork", "--kill-child", "--mount-proc"];
  for (const proof of PROOFS) {
    const { stdout } = await exec("unshare", [...own, process.execPath, child, proof]);
    const { before, successor, said } = JSON.parse(stdout) as Record<string, unknown>;
    t.equal(successor, before, `${proof}: the PID was given out again`);
    t.match(said, { kind: "denied", message: /ended/ });
  }
});

t.test("the answer is thrown away when the process ends while it is read", async (t) => {
  const dir = temporaryFolder(t);
  await using acceptor = await Acceptor.listen(join(dir, "s"));
  const client = connect(acceptor.path);
  const socket = await acceptor.accept();
  // The PID's status still reads well (a successor with the same ids), but the pidfd says that its owner is gone.
  const gone: Native = { ...native(), ended: (pidfds) => pidfds.map(() => true) };
  const peer = trackPeer(socket, { native: gone });
  t.throws(() => peer.read(), { kind: "denied", message: /ended/ });
  peer.release();

  const proc = join(dir, "proc");
  writeProc(proc, { startTime: "1000" });
  const older = trackPeer(socket, { procDir: proc, proof: "start-time" });
  t.equal(older.read().pid, process.pid);
  writeProc(proc, { startTime: "1001" });
  t.throws(() => older.read(), { kind: "denied", message: /ended/ });
  client.destroy();
});

t.test("a caller that changed its user or group is refused", async (t) => {
  const dir = temporaryFolder(t);
  await using acceptor = await Acceptor.listen(join(dir, "s"));
  const client = connect(acceptor.path);
  const socket = await acceptor.accept();
  const proc = join(dir, "proc");
  for (const proof of PROOFS) {
    writeProc(proc, { startTime: "1000" });
    const peer = trackPeer(socket, { procDir: proc, proof });
    t.equal(peer.read().uid, process.geteuid?.());
    writeProc(proc, { startTime: "1000", uid: 4321 });
    t.throws(() => peer.read(), { kind: "denied", message: /changed its user or group/ });
    writeProc(proc, { startTime: "1000", gid: 4321 });
    t.throws(() => peer.read(), { kind: "denied", message: /changed its user or group/ });
    peer.release();
  }
  client.destroy();
});

t.test(
  "facts are read anew each time, and are the same object while they are the same",
  async (t) => {
    const dir = temporaryFolder(t);
    await using acceptor = await Acceptor.listen(join(dir, "s"));
    const client = connect(acceptor.path);
    const proc = join(dir, "proc");
    writeProc(proc, { startTime: "1000", groups: "7 8 " });
    const peer = trackPeer(await acceptor.accept(), { procDir: proc });
    const first = peer.read();
    t.same(first.groups, [7, 8]);
    t.equal(peer.read(), first);
    const many = Array.from({ length: 5000 }, (_, i) => 100_000 + i);
    for (const groups of [[7, 9], [7], [], many]) {
      writeProc(proc, { startTime: "1000", groups: `${groups.join(" ")} ` });
      t.same(peer.read().groups, groups, `${groups.length} groups`);
    }
    writeProc(proc, { startTime: "1000", groups: "7 8 " });
    t.same(peer.read(), first);
    peer.release();
    client.destroy();
  },
);

t.test("a caller without a PID here proves nothing", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  const client = connect(acceptor.path);
  const foreign: Native = { ...native(), peerCredentials: () => ({ pid: 0, uid: 0, gid: 0 }) };
  const peer = trackPeer(await acceptor.accept(), { native: foreign });
  t.throws(() => peer.read(), { kind: "denied", message: /no process id here/ });
  client.destroy();
});

t.test("a caller that is gone before it was looked at is refused, not thrown", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  const client = connect(acceptor.path);
  const socket = await acceptor.accept();
  socket.destroy();
  t.throws(() => trackPeer(socket).read(), { kind: "denied", message: /gone/ });
  client.destroy();
});

t.test("two thousand connections leave no descriptor behind", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  const round = async (count: number): Promise<void> => {
    const clients: Socket[] = [];
    const closed: Promise<unknown>[] = [];
    for (let i = 0; i < count; i++) {
      const client = connect(acceptor.path);
      clients.push(client);
      const socket = await acceptor.accept();
      const peer = trackPeer(socket);
      peer.read();
      socket.once("close", () => peer.release());
      socket.resume();
      closed.push(once(socket, "close"), once(client, "close"));
    }
    for (const client of clients) client.destroy();
    await Promise.all(closed);
  };
  await round(50);
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 10; i++) await round(200);
  t.equal(readdirSync("/proc/self/fd").length, before);
});

t.test("the watch tells of processes that ended while their socket lives on", async (t) => {
  await using acceptor = await Acceptor.listen(join(temporaryFolder(t), "s"));
  for (const proof of PROOFS) {
    const clock = new VirtualClock();
    const watch = new PeerWatch(clock);
    const child = connectingProcess(acceptor.path);
    const peer = trackPeer(await acceptor.accept(), { proof });
    const own = connect(acceptor.path);
    const ownPeer = trackPeer(await acceptor.accept(), { proof });
    const ended: string[] = [];
    watch.add(peer, () => ended.push("child"));
    const stop = watch.add(ownPeer, () => ended.push("own"));
    await clock.advance(1000);
    t.same(ended, []);
    await end(child);
    await clock.advance(3000);
    t.same(ended, ["child"], proof);
    t.equal(watch.size, 1);
    stop();
    t.equal(clock.timers, 0, "nothing to watch, no timer");
    peer.release();
    ownPeer.release();
    own.destroy();
  }
});

t.test("status and stat are read by line and field, whatever the process calls itself", (t) => {
  const status =
    "Name:\tUid:\t0\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nX:\t1\n";
  t.same(parseStatus(status), { isZombie: false, ids: { uid: 2, gid: 6, groups: [9, 10] } });
  t.same(
    parseStatus("N:\nState:\tZ (zombie)\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t").ids.groups,
    [],
  );
  for (const broken of ["", "Uid:\t1\t2", "N:\nState:\tR\nUid:\tx\ty\nGid:\t1\t1\nGroups:\t"]) {
    t.throws(() => parseStatus(broken), { name: "AssayError", kind: "denied" });
  }
  const rest = `1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 5555 20`;
  for (const name of ["node", "a b", "x) R 1 (", "))))", "(", "S 1 2 3"]) {
    t.equal(parseStartTime(`42 (${name}) S ${rest}`), "5555", name);
    t.equal(parseStartTime(`42 (${name}) Z ${rest}`), undefined, `${name}, a zombie`);
  }
  t.throws(() => parseStartTime("42 (node) S 1 2"), { name: "AssayError", kind: "denied" });
  t.throws(() => parseStartTime(""), { name: "AssayError", kind: "denied" });
  t.end();
});

t.test("the ids are read whole, wherever the lines end and however long they are", (t) => {
  const dir = temporaryFolder(t);
  mkdirSync(join(dir, "7"));
  const file = join(dir, "7/status");
  const groupsOf = (count: number, last: number): number[] =>
    Array.from({ length: count }, (_, at) => (at === count - 1 ? last : 100_000 + at));
  const put = (groups: readonly number[], nameLength: number): void =>
    writeFileSync(
      file,
      `Name:\t${"n".repeat(nameLength)}\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t${groups.join(" ")} \n${"Later:\t1\n".repeat(90)}`,
    );
  put([9], 0);
  using status = new StatusFile(dir, 7);
  // The line of the groups ends before, at and behind each of many bytes: what is cut off would be another group.
  for (let nameLength = 0; nameLength < 400; nameLength += 1) {
    for (const last of [1, 123_456]) {
      const groups = groupsOf(3, last);
      put(groups, nameLength);
      t.same(status.read().ids, { uid: 2, gid: 6, groups }, `${nameLength}: ${last}`);
    }
  }
  for (const count of [0, 40, 2000, 20_000]) {
    for (const last of [1, 2]) {
      const groups = groupsOf(count, last);
      put(groups, 5);
      t.same(status.read().ids.groups, groups, `${count} groups, ${last}`);
    }
  }
  t.equal(status.read().ids, status.read().ids, "the same object for the same words");
  put([9], 0);
  mkdirSync(join(dir, "8"));
  copyFileSync(file, join(dir, "8/status"));
  using twin = new StatusFile(dir, 8);
  t.equal(twin.read().ids, status.read().ids, "whichever process they are of");
  put([8], 0);
  t.same([twin.read().ids.groups, status.read().ids.groups], [[9], [8]]);
  t.end();
});

function isZombie(pid: number | undefined): boolean {
  return parseStartTime(readFileSync(`/proc/${pid}/stat`, "latin1")) === undefined;
}

/** A /proc with nothing but this process in it. */
function writeProc(
  proc: string,
  as: { startTime: string; uid?: number; gid?: number; groups?: string },
): void {
  const dir = join(proc, String(process.pid));
  mkdirSync(dir, { recursive: true });
  const uid = as.uid ?? process.geteuid?.();
  const gid = as.gid ?? process.getegid?.();
  writeFileSync(
    join(dir, "status"),
    `Name:\tx\nState:\tR (running)\nUid:\t0\t${uid}\t0\t0\nGid:\t0\t${gid}\t0\t0\nGroups:\t${as.groups ?? ""}\n`,
  );
  writeFileSync(join(dir, "stat"), `1 (x) S${" 0".repeat(18)} ${as.startTime} 0`);
}
