/** What a start leaves behind, and an end: the compiled program, kept only where nobody else writes; a heap; a process. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getHeapCodeStatistics } from "node:v8";
import { runInNewContext } from "node:vm";
import t from "tap";
import { libc, trimCode } from "../../src/base/libc.ts";
import { trimHeap, trimWhenIdle } from "../../src/cli/daemon/trim-heap.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const SCRIPT = join(import.meta.dirname, "../../bin/compile-cache.sh");

/** What NODE_COMPILE_CACHE is after the script; `uid` is what id(1) says. */
function chosen(env: NodeJS.ProcessEnv, { uid = 1000, before = "" } = {}): string {
  const lines = [`id() { echo ${uid}; }`, before, `. "${SCRIPT}"`, 'echo "$NODE_COMPILE_CACHE"'];
  return execFileSync("sh", ["-ec", lines.join("\n")], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: "", ...env },
  }).trim();
}

t.test("a folder of the user's own, made for the user alone", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "assay-cache-"));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const folder = join(home, ".cache/assay");
  t.equal(chosen({ HOME: home }), folder);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.equal(chosen({ HOME: home }), folder, "and again");
  t.equal(chosen({ HOME: "/h", XDG_CACHE_HOME: join(home, "x") }), join(home, "x/assay"));
  t.equal(chosen({ HOME: home, NODE_COMPILE_CACHE: "/given" }), "/given");
});

t.test("nowhere that others could put something in its place", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "assay-cache-"));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const folder = join(home, ".cache/assay");
  mkdirSync(folder, { recursive: true });
  for (const mode of [0o770, 0o702, 0o777]) {
    chmodSync(folder, mode);
    t.equal(chosen({ HOME: home }), "", mode.toString(8));
  }
  chmodSync(folder, 0o700);
  if (process.getuid?.() === 0) {
    chownSync(folder, 4711, 0);
    t.equal(chosen({ HOME: home }), "", "another user's");
  }
  t.equal(chosen({}), "", "without a home");
  t.equal(chosen({ HOME: "/dev/null" }), "", "that cannot be made");
  const tell = 'mkdir() { [ "$4" = /var/cache/assay ] || echo "$@"; return 1; }';
  t.equal(chosen({ HOME: home }, { uid: 0, before: tell }), "", "root: not below HOME");
});

t.test("the heap that a start needed is given back, and nothing is left to call", async (t) => {
  let loaded: object[] | undefined = Array.from({ length: 200_000 }, (_, n) => ({
    n,
    text: `${n}`,
  }));
  t.equal(loaded.length, 200_000);
  const before = process.memoryUsage().heapTotal;
  loaded = undefined;
  trimHeap();
  const after = process.memoryUsage().heapTotal;
  t.ok(after < before - (5 << 20), `${before} -> ${after} bytes`);
  t.equal("gc" in globalThis, false);
  t.equal(runInNewContext("typeof gc"), "undefined");
});

t.test("functions that have run stay compiled", async (t) => {
  const source = (i: number): string => `(a) => { ${`a = a * ${i} + 1;`.repeat(100)} return a; }`;
  const functions = Array.from({ length: 300 }, (_, i) => runInNewContext(source(i)));
  for (const each of functions) each(1);
  const before = getHeapCodeStatistics().bytecode_and_metadata_size;
  trimHeap();
  const after = getHeapCodeStatistics().bytecode_and_metadata_size;
  t.ok(after > before - 50_000, `${before} -> ${after} bytes`);
  t.equal(functions.length, 300);
});

t.test("so is the program's code, and it runs on", async (t) => {
  const code = (): number =>
    Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  trimCode();
  const before = code();
  t.equal(libc() === undefined, process.platform !== "linux");
  trimCode();
  const after = code();
  t.ok(after < before - 5000, `${before} -> ${after} kB`);
  t.same(JSON.parse('{"a":[1]}'), { a: [1] });
  trimCode();
  t.equal(execFileSync("echo", ["on"], { encoding: "utf8" }), "on\n");
});

t.test("it is given back once, when there is little to do", async (t) => {
  const clock = new VirtualClock();
  const loads = [0.9, 0.06, 0.01, 0.01];
  let trims = 0;
  const options = { clock, load: () => loads.shift() ?? 1, trim: () => void trims++ };
  trimWhenIdle(options);
  await clock.advance(20_000);
  t.equal(trims, 0, "not while it is busy");
  await clock.advance(60_000);
  t.equal(trims, 1);
  t.equal(loads.length, 1, "and never looked at again");
  trimWhenIdle({ ...options, load: () => 0 })();
  await clock.advance(60_000);
  t.equal(trims, 1, "given up");
});

t.test("a process ends while a thread of the pool is in a call that does not return", async (t) => {
  const script = `
    import { createRequire } from "node:module";
    import { endNow } from ${JSON.stringify(join(import.meta.dirname, "../../src/cli/program/end-now.ts"))};
    const koffi = createRequire(${JSON.stringify(import.meta.filename)})("koffi");
    koffi.load(null).func("int sleep(int seconds)").async(1000, () => undefined);
    setTimeout(() => endNow(7), 50);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  t.equal(code, 7);
});
