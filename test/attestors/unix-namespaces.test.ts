/** The `unix` attestor and processes in user and mount namespaces of their own: what counts is what the host's kernel says. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t, { type Test } from "tap";
import { openPeer, trackPeer } from "../../src/agent/peer/peer.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { attestCall } from "../support/attest-call.ts";
import { Acceptor, end, temporaryFolder } from "../support/caller.ts";

/** On the host. Inside it is root. */
const UID = process.geteuid?.() === 0 ? 12_345 : (process.geteuid?.() ?? 0);
const IDS = process.geteuid?.() === 0 ? { uid: UID, gid: UID } : {};
const attestor = unixAttestor({ clock: systemClock, logger: silentLogger });

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Two programs that do the same: repeat their input. */
function programs(t: Test): { readonly app: string; readonly other: string } {
  const dir = temporaryFolder(t);
  chmodSync(dir, 0o755);
  const app = join(dir, "app");
  const other = join(dir, "other");
  for (const file of [app, other]) copyFileSync("/bin/cat", file);
  appendFileSync(other, "another program");
  return { app, other };
}

/** A program in a user and a mount namespace of its own, as root there; and the lines that it writes. */
function inNamespaces(t: Test, ...command: string[]) {
  const child: ChildProcess = spawn("unshare", ["-U", "-r", "-m", ...command], {
    stdio: ["pipe", "pipe", "inherit"],
    ...IDS,
  });
  t.teardown(() => end(child));
  if (child.stdout === null) throw new TypeError("there is no output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    line: async () => (await lines.next()).value,
    say: (line: string) => child.stdin?.write(`${line}\n`),
  };
}

async function found(t: Test, pid: number): Promise<string[]> {
  const peer = openPeer(pid);
  try {
    const facts = peer.read();
    const selectors = await attestor.attest(facts, attestCall());
    t.same(attestor.lookNow?.(pid)?.selectors(facts), selectors, "at once as with time");
    return selectors.map(({ value }) => value);
  } finally {
    peer.release();
  }
}

t.test("a program that is mounted over another is known by its own content", async (t) => {
  const { app, other } = programs(t);
  const script = 'id -u; mount --bind "$2" "$1"; exec "$1"';
  const workload = inNamespaces(t, "sh", "-c", script, "sh", app, other);
  t.equal(await workload.line(), "0", "root in its own eyes");
  workload.say("hello");
  t.equal(await workload.line(), "hello", "the program runs");
  const values = await found(t, workload.pid);
  t.ok(values.includes(`uid:${UID}`), "the host's");
  t.ok(values.includes(`gid:${process.geteuid?.() === 0 ? UID : process.getegid?.()}`));
  t.notOk(values.includes("uid:0"));
  t.ok(values.includes(`sha256:${sha256(other)}`), "what runs");
  t.notOk(values.includes(`sha256:${sha256(app)}`), "not what is at that path on the host");
  t.ok(values.includes(`path:${app}`), "the name is the one that its own mounts give it");
});

t.test("a mount over the path of a running program changes nothing", async (t) => {
  const { app, other } = programs(t);
  const script = 'exec 3<&0; "$1" <&3 & echo $!; mount --bind "$2" "$1"; echo mounted; wait';
  const workload = inNamespaces(t, "sh", "-c", script, "sh", app, other);
  const pid = Number(await workload.line());
  t.equal(await workload.line(), "mounted");
  workload.say("hello");
  t.equal(await workload.line(), "hello");
  const values = await found(t, pid);
  t.ok(values.includes(`sha256:${sha256(app)}`));
  t.ok(values.includes(`path:${app}`));
});

t.test("where no file can be watched a hash is remembered for a minute", async (t) => {
  const file = new URL("../../src/attestors/workload/unix/executable.ts", import.meta.url);
  const script = `const { Executables } = await import(${JSON.stringify(file.href)});
    const told = [];
    let now = 1e12;
    const executables = new Executables({
      procDir: "/proc", maxBytes: 1e9, clock: { nowMs: () => now }, onUnwatched: (uid, { code }) => told.push(uid + code),
    });
    const all = await Promise.all([1, 2].map((uid) => executables.read(process.pid, { uid })));
    const atOnce = () => executables.lookNow(process.pid)?.executable.sha256;
    now += 59_999;
    const before = atOnce();
    now += 1;
    const after = atOnce() ?? "none";
    all.push(await executables.read(process.pid, { uid: 3 }));
    now -= 1;
    const back = atOnce() ?? "none";
    const hashes = all.map(({ sha256 }) => sha256);
    console.log(JSON.stringify({ hashes, told, before, after, back }));`;
  const none = 'echo 0 >/proc/sys/user/max_inotify_instances; exec "$@"';
  const child = inNamespaces(t, "sh", "-c", none, "sh", process.execPath, "-e", script);
  const hash = sha256(process.execPath);
  t.same(JSON.parse(String(await child.line())), {
    hashes: [hash, hash, hash],
    told: ["1EMFILE", "3EMFILE"],
    before: hash,
    after: "none",
    back: "none",
  });
});

t.test("a connection from a user namespace is its host user's", async (t) => {
  const dir = temporaryFolder(t);
  chmodSync(dir, 0o755);
  await using acceptor = await Acceptor.listen(join(dir, "s"));
  // Node's own folder may be closed to other users; each Debian has this.
  const script =
    'use Socket; socket(S,AF_UNIX,SOCK_STREAM,0); connect(S,sockaddr_un($ARGV[0])) or die; $|=1; print "$>\\n"; <STDIN>';
  const workload = inNamespaces(t, "perl", "-e", script, acceptor.path);
  const socket = await acceptor.accept();
  const peer = trackPeer(socket);
  t.equal(await workload.line(), "0");
  t.equal(peer.read().uid, UID);
  t.ok((await found(t, peer.pid)).includes(`uid:${UID}`));
  peer.release();
  socket.destroy();
});

t.test(
  "an agent in a user namespace tells nobody by the number of all whom it cannot see",
  async (t) => {
    const room = (path: string): string =>
      JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
    const script = `const { unixAttestor } = await import(${room("attestors/workload/unix/attest.ts")});
    const { openPeer } = await import(${room("agent/peer/peer.ts")});
    const { systemClock: clock } = await import(${room("base/clock.ts")});
    const logger = { warn() {}, info() {}, debug() {} };
    const signal = new AbortController().signal;
    const attestor = unixAttestor({ clock, logger, discoverExecutable: false });
    for (const pid of [1, process.pid]) {
      const gaps = [];
      const facts = openPeer(pid).read();
      const own = { ...facts, groups: [facts.gid, 0] };
      const found = await attestor.attest(own, { signal, onGap: (gap) => gaps.push(gap) });
      const now = attestor.lookNow(pid).selectors(own);
      console.log(JSON.stringify({
        uid: facts.uid,
        isSame: now === found,
        values: found.map(({ value }) => value).filter((value) => /gid|uid/.test(value)),
        names: found.map(({ value }) => value.split(":")[0]),
        gaps: gaps.flatMap(({ names }) => names),
      }));
    }`;
    const agent = inNamespaces(t, process.execPath, "-e", script);
    const overflow = Number(readFileSync("/proc/sys/kernel/overflowuid", "utf8"));
    t.match(JSON.parse(String(await agent.line())), {
      uid: overflow,
      isSame: true,
      values: ["supplementary_gid:0"],
      gaps: ["uid", "user", "gid", "group", "supplementary_gid", "supplementary_group"],
    });
    t.match(JSON.parse(String(await agent.line())), {
      uid: 0,
      isSame: true,
      values: ["uid:0", "gid:0", "supplementary_gid:0", "supplementary_gid:0"],
      gaps: [],
    });
    if (process.geteuid?.() !== 0) return;
    const nobody = spawn("cat", {
      stdio: ["pipe", "ignore", "inherit"],
      uid: overflow,
      gid: overflow,
    });
    t.teardown(() => end(nobody));
    const values = await found(t, nobody.pid ?? 0);
    t.ok(values.includes(`uid:${overflow}`), "on the host it is a user like others");
    t.ok(values.includes(`gid:${overflow}`));
  },
);
