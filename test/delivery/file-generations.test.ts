import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { systemRandom } from "../../src/base/random.ts";
import { type GenerationOptions, FileGenerations } from "../../src/delivery/file-generations.ts";
import type { RenderedFile } from "../../src/delivery/render.ts";
import { Program } from "../cli/program.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const isRoot = process.geteuid?.() === 0;

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), "assay-delivery-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function generationsAt(dir: string, more: Partial<GenerationOptions> = {}): FileGenerations {
  return new FileGenerations({
    dir,
    fileMode: 0o644,
    keyMode: 0o600,
    random: systemRandom,
    ...more,
  });
}

function pair(text: string, ...more: readonly string[]): RenderedFile[] {
  const content = new TextEncoder().encode(text);
  return [
    { name: "svid.pem", content, isSecret: false },
    { name: "key.pem", content, isSecret: true },
    ...more.map((name) => ({ name, content, isSecret: false })),
  ];
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

function hidden(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith("."));
}

t.test("files, their modes, and the links that lead to them", async (t) => {
  const dir = join(folder(t), "a/b");
  using generations = generationsAt(dir);
  await generations.write(pair("one", "federated/other.example.pem"));
  t.equal(readFileSync(`${dir}/svid.pem`, "utf8"), "one");
  t.equal(readFileSync(`${dir}/federated/other.example.pem`, "utf8"), "one");
  t.equal(modeOf(dir), "755");
  t.equal(modeOf(`${dir}/svid.pem`), "644");
  t.equal(modeOf(`${dir}/key.pem`), "600");
  t.equal(readlinkSync(`${dir}/key.pem`), "current/key.pem");
  t.match(readlinkSync(`${dir}/current`), /^\.generation-[0-9a-f]{16}$/);
});

t.test(
  "the next generation takes the place of the last; one is kept, what is older goes",
  async (t) => {
    const dir = folder(t);
    using generations = generationsAt(dir);
    const seen: string[] = [];
    for (const text of ["one", "two", "three", "four"]) {
      await generations.write(pair(text, ...(text === "two" ? ["gone.pem"] : [])));
      t.equal(readFileSync(`${dir}/svid.pem`, "utf8"), text);
      seen.push(readlinkSync(`${dir}/current`));
    }
    t.same(hidden(dir).sort(), seen.slice(-2).sort());
    t.equal(readFileSync(`${dir}/${seen[2]}/key.pem`, "utf8"), "three");
    t.notOk(readdirSync(dir).includes("gone.pem"), "the link to a file that is no more is no more");
  },
);

t.test(
  "the same randomness makes the same names, and a name taken is an error and no loss",
  async (t) => {
    const dir = folder(t);
    using generations = generationsAt(dir, { random: new SeededRandom("1") });
    await generations.write(pair("one"));
    generations[Symbol.dispose]();
    using again = generationsAt(dir, { random: new SeededRandom("1") });
    await t.rejects(again.write(pair("two")), { kind: "unavailable", message: /EEXIST/ });
    t.equal(readFileSync(`${dir}/svid.pem`, "utf8"), "one");
  },
);

t.test("what a crash leaves is removed, and a half-made set is never led to", async (t) => {
  const dir = folder(t);
  {
    using generations = generationsAt(dir);
    await generations.write(pair("one"));
  }
  const current = readlinkSync(`${dir}/current`);
  mkdirSync(`${dir}/.generation-00000000000000ff`);
  writeFileSync(`${dir}/.generation-00000000000000ff/svid.pem`, "half");
  symlinkSync(".generation-00000000000000ff", `${dir}/.next`);
  symlinkSync("current/later.pem", `${dir}/later.pem`);
  writeFileSync(`${dir}/of-the-operator`, "stays");
  using generations = generationsAt(dir);
  t.equal(readFileSync(`${dir}/svid.pem`, "utf8"), "one");
  await generations.write(pair("two"));
  t.same(hidden(dir).sort(), [current, readlinkSync(`${dir}/current`)].sort());
  t.same(
    readdirSync(dir)
      .filter((name) => !name.startsWith("."))
      .sort(),
    ["current", "key.pem", "of-the-operator", "svid.pem"],
  );
});

t.test("files that were there before give way to links, folders do not", async (t) => {
  const dir = folder(t);
  writeFileSync(`${dir}/svid.pem`, "by hand");
  symlinkSync("/etc/hostname", `${dir}/key.pem`);
  using generations = generationsAt(dir);
  await generations.write(pair("one"));
  t.equal(readFileSync(`${dir}/svid.pem`, "utf8"), "one");
  t.equal(readFileSync(`${dir}/key.pem`, "utf8"), "one");
  t.not(readFileSync("/etc/hostname", "utf8"), "one");
  mkdirSync(`${dir}/bundle.pem`);
  await t.rejects(generations.write(pair("two", "bundle.pem")), {
    kind: "invalid",
    message: /'bundle.pem' is a folder there; move it away/,
  });
});

t.test("a kill at any moment leaves a whole set", async (t) => {
  const dir = folder(t);
  const child = join(import.meta.dirname, "../support/generation-child.ts");
  let last = -1;
  for (let round = 0; round < 8; round += 1) {
    const program = new Program(process.execPath, [child, dir, String(last + 1)], process.env);
    await program.said(new RegExp(`^${last + 1 + (round % 3)}$`, "m"));
    // Somewhere within the next one.
    await new Promise((resolve) => setTimeout(resolve, round * 3));
    await program.stop("SIGKILL");
    const svid = readFileSync(`${dir}/svid.pem`, "utf8");
    t.equal(readFileSync(`${dir}/key.pem`, "utf8"), svid);
    t.equal(svid.split("\n").length, 20_001, "whole");
    last = Number(svid.split("\n")[0]);
    t.equal(existsSync(`${dir}/current/federated`), last % 2 === 0);
  }
  t.ok(last >= 0);
});

t.test("whoever resolves the generation once always reads a pair", async (t) => {
  const dir = folder(t);
  using generations = generationsAt(dir);
  await generations.write(pair("0"));
  const over = new AbortController();
  let reads = 0;
  const reader = (async () => {
    while (!over.signal.aborted) {
      const generation = `${dir}/${readlinkSync(`${dir}/current`)}`;
      const svid = readFileSync(`${generation}/svid.pem`, "utf8");
      await new Promise((resolve) => setImmediate(resolve));
      t.equal(readFileSync(`${generation}/key.pem`, "utf8"), svid);
      reads += 1;
    }
  })();
  for (let count = 1; count < 30; count += 1) await generations.write(pair(String(count)));
  over.abort();
  await reader;
  t.ok(reads > 10, `${reads} reads`);
});

t.test("the folder: what is refused, and with which words", async (t) => {
  const base = folder(t);
  mkdirSync(`${base}/real`);
  symlinkSync("real", `${base}/link`);
  writeFileSync(`${base}/file`, "");
  mkdirSync(`${base}/open`);
  chmodSync(`${base}/open`, 0o777);
  mkdirSync(`${base}/group`);
  chmodSync(`${base}/group`, 0o775);
  mkdirSync(`${base}/taken/current`, { recursive: true });
  const cases: [string, string, RegExp][] = [
    ["link", "invalid", /is a link or a file; name the folder itself/],
    ["file", "invalid", /is a link or a file/],
    ["file/below", "invalid", /is a link or a file/],
    ["open", "denied", /others may write to .*; run 'chmod go-w/],
    ["group", "denied", /others may write to/],
    ["taken", "invalid", /'current' is a folder there/],
  ];
  for (const [name, kind, message] of cases) {
    using generations = generationsAt(`${base}/${name}`);
    await t.rejects(generations.write(pair("one")), { kind, message }, name);
  }
  t.same(readdirSync(`${base}/real`), [], "nothing went through the link");
  await t.rejects(async () => generationsAt("/proc/nowhere").write(pair("one")), {
    kind: "invalid",
    message: /no folder can be made/,
  });
  if (!isRoot) return;
  mkdirSync(`${base}/foreign`);
  chownSync(`${base}/foreign`, 65534, 65534);
  using foreign = generationsAt(`${base}/foreign`);
  await t.rejects(foreign.write(pair("one")), {
    kind: "denied",
    message: /belongs to another user \(uid 65534\)/,
  });
});

t.test("one process at a time", async (t) => {
  const dir = folder(t);
  using first = generationsAt(dir);
  first.check();
  using second = generationsAt(dir);
  t.throws(() => second.check(), { kind: "conflict", message: /another process writes to/ });
  first[Symbol.dispose]();
  second.check();
});

t.test("a folder that is taken away, or replaced by a link, while it is held", async (t) => {
  const base = folder(t);
  const dir = `${base}/dir`;
  using generations = generationsAt(dir);
  await generations.write(pair("one"));
  renameSync(dir, `${base}/away`);
  await generations.write(pair("two"));
  t.equal(readFileSync(`${dir}/svid.pem`, "utf8"), "two");
  t.equal(readFileSync(`${base}/away/svid.pem`, "utf8"), "one");
  renameSync(dir, `${base}/away-again`);
  symlinkSync("away", dir);
  await t.rejects(generations.write(pair("three")), { kind: "invalid", message: /is a link/ });
  t.equal(readFileSync(`${base}/away/svid.pem`, "utf8"), "one");
});

t.test(
  "owner, group and modes are those asked for, and a key is closed until it has them",
  async (t) => {
    const dir = folder(t);
    const gid = process.getegid?.() ?? 0;
    const ids = isRoot ? { uid: 65534, gid: 65533 } : { gid };
    using generations = generationsAt(dir, { ...ids, keyMode: 0o640, fileMode: 0o444 });
    await generations.write(pair("one"));
    const key = lstatSync(`${dir}/current/key.pem`);
    t.equal(key.mode & 0o777, 0o640);
    t.equal(key.gid, ids.gid);
    if (isRoot) t.equal(key.uid, 65534);
    t.equal(statSync(`${dir}/svid.pem`).mode & 0o777, 0o444);
    if (isRoot) return;
    using other = generationsAt(join(dir, "other"), { uid: 0 });
    await t.rejects(other.write(pair("one")), {
      kind: "denied",
      message: /to that owner or group/,
    });
    t.same(hidden(join(dir, "other")), [], "nothing is left of it");
  },
);

t.test("a key that others may read in the end is closed to them until it is whole", async (t) => {
  const dir = folder(t);
  using generations = generationsAt(dir, { keyMode: 0o644 });
  const content = new Uint8Array(24 * 1024 * 1024);
  let looks = 0;
  const written = new AbortController();
  const look = (async () => {
    while (!written.signal.aborted) {
      for (const name of hidden(dir).filter((name) => name.startsWith(".generation-"))) {
        const file = lstatSync(`${dir}/${name}/key.pem`, { throwIfNoEntry: false });
        const mode = statSync(`${dir}/${name}`).mode & 0o777;
        if (file === undefined || file.size === content.length) continue;
        looks += 1;
        if ((file.mode & 0o077) !== 0 || mode !== 0o700) t.fail(`${file.mode} in ${mode}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await generations.write([{ name: "key.pem", content, isSecret: true }]);
  written.abort();
  await look;
  t.ok(looks > 0, `looked ${looks} times`);
  t.equal(modeOf(`${dir}/key.pem`), "644");
});
