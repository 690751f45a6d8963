// The README's commands, executed as they stand (but on a free port), and what it and the wrapper promise.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Program, emptyEnvironment, temporaryFolder } from "./program.ts";
import { freePort } from "../support/free-port.ts";

const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The blocks of one language, each with the heading it stands under. */
function blocks(text: string, language: string): { heading: string; code: string }[] {
  const found: { heading: string; code: string }[] = [];
  let heading = "";
  // Headings and fences, whichever comes first: a comment in a block is no heading.
  for (const match of text.matchAll(/^#+ (.*)$|^```(\w*)\n([^]*?)^```$/gm)) {
    if (match[1] !== undefined) heading = match[1];
    else if (match[2] === language) found.push({ heading, code: match[3] ?? "" });
  }
  return found;
}

t.test("the README opens with the two lines, and package.json has them", async (t) => {
  t.equal(blocks(readme, "sh")[0]?.code.trim(), "npm start\nnpm test");
  const { scripts, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  t.equal(scripts.start, "sh bin/with-node --production bin/assay dev");
  t.equal(scripts.test, "sh bin/with-node --all node test/run.ts core");
  t.equal(scripts["test:interop"], "sh bin/with-node --all node test/run.ts interop");
  t.equal(engines, undefined, "nobody's first line is a warning");
});

t.test("everything under 'By hand' works, in one shell", async (t) => {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  mkdirSync(join(folder.path, "bin"));
  symlinkSync(join(root, "bin/assay"), join(folder.path, "bin/assay"));
  const port = await freePort();
  const steps = blocks(readme, "sh").filter(({ heading }) => heading === "By hand");
  t.equal(steps.length, 6, "the blocks were found");
  const script = [
    "set -eu",
    `cd ${folder.path}`,
    "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT",
    ...steps.map(({ code }) => code.replaceAll("8081", String(port))),
    "echo everything was done",
  ].join("\n");
  const shell = new Program("bash", ["-c", script], emptyEnvironment(folder.path));
  const ran = await shell.ended;
  t.equal(ran.err, "");
  t.equal(ran.code, 0);
  t.match(ran.out, /wrote demo\/identity\/svid\.pem\n/);
  t.match(ran.out, /everything was done\n$/);
  t.ok(existsSync(join(folder.path, "demo/identity/key.pem")));
});

t.test("the documents name files that exist", async (t) => {
  for (const name of [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "doc/commands.md",
    "doc/configuration.md",
    "doc/delivery.md",
    "doc/security.md",
  ]) {
    const text = readFileSync(join(root, name), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1] ?? "");
    for (const link of links) t.ok(existsSync(join(root, name, "..", link)), `${name}: ${link}`);
  }
  t.match(
    readFileSync(join(root, "LICENSE"), "utf8"),
    /Apache License\s+Version 2\.0, January 2004/,
  );
});

t.test("the configuration file of doc/commands.md is one", async (t) => {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  const [example] = blocks(readFileSync(join(root, "doc/commands.md"), "utf8"), "yaml");
  const file = join(folder.path, "server.yaml");
  writeFileSync(file, (example?.code ?? "").replace("0.0.0.0:8081", "127.0.0.1:0"));
  const env = emptyEnvironment(folder.path);
  mkdirSync(`${folder.path}/run`, { mode: 0o700 });
  const server = new Program(
    join(root, "bin/assay"),
    [
      "server",
      "--config",
      file,
      "--data-dir",
      `${folder.path}/data`,
      "--socket",
      `${folder.path}/s.sock`,
    ],
    env,
  );
  await server.said(/"message":"server started","trustDomain":"example.org"/, "err");
  t.match(await server.stop(), { code: 0 });
});

t.test(
  "the wrapper installs once, again after an interruption, and says nothing else",
  async (t) => {
    const folder = temporaryFolder();
    t.teardown(() => folder.remove());
    const dir = folder.path;
    for (const name of ["bin", "package-lock.json"])
      cpSync(join(root, name), join(dir, name), { recursive: true });
    writeFileSync(join(dir, "bin/echo"), 'echo "$@"\n');
    // A stand-in for npm that notes its arguments, and fails when it is told to.
    mkdirSync(join(dir, "path"));
    const npm =
      '#!/bin/sh\necho "$@" >>"$HOME/calls"\n[ -z "${FAIL:-}" ] || exit 1\nmkdir -p node_modules\n';
    writeFileSync(join(dir, "path/npm"), npm, { mode: 0o755 });
    const env = {
      ...emptyEnvironment(dir),
      PATH: `${dir}/path:${process.env["PATH"]}`,
      ASSAY_NODE: process.execPath,
    };
    const wrapper = (need: string, more: NodeJS.ProcessEnv = {}) =>
      new Program("sh", [join(dir, "bin/with-node"), need, "bin/echo", "a b", "c"], {
        ...env,
        ...more,
      }).ended;
    const calls = () => readFileSync(join(dir, "calls"), "utf8").trim().split("\n");

    t.match(await wrapper("--production", { FAIL: "1" }), {
      code: 1,
      out: "",
      err: /^installing packages \(once\)\nthe installation failed/,
    });
    t.same(await wrapper("--production"), {
      code: 0,
      out: "a b c\n",
      err: "installing packages (once)\n",
    });
    t.same(await wrapper("--production"), { code: 0, out: "a b c\n", err: "" });
    t.match(calls()[1], /^ci --omit=dev --include=optional --ignore-scripts --loglevel=error/);
    t.same(await wrapper("--all"), {
      code: 0,
      out: "a b c\n",
      err: "installing packages (once)\n",
    });
    t.match(calls()[2], /^ci --include=dev --include=optional --ignore-scripts/);
    t.same(await wrapper("--production"), { code: 0, out: "a b c\n", err: "" }, "all is enough");
    execFileSync("sh", ["-c", `echo >>${join(dir, "package-lock.json")}`]);
    t.match(await wrapper("--all"), { err: "installing packages (once)\n" }, "a changed lock");
    t.equal(calls().length, 4);
  },
);

t.test("a machine without the library of the Node that npm brings", async (t) => {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  const dir = folder.path;
  cpSync(join(root, "bin"), join(dir, "bin"), { recursive: true });
  writeFileSync(join(dir, "package-lock.json"), "{}\n");
  writeFileSync(join(dir, "bin/echo"), 'echo "$@"\n');
  const script = (path: string, ...lines: string[]): void =>
    writeFileSync(join(dir, path), `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
  for (const brought of ["linux-x64", "linux-arm64", "darwin-x64"]) {
    mkdirSync(join(dir, `node_modules/node-${brought}/bin`), { recursive: true });
    script(
      `node_modules/node-${brought}/bin/node`,
      `[ ! -e "$HOME/library" ] || exec ${process.execPath} "$@"`,
      'echo "$0: error while loading shared libraries: libatomic.so.1: cannot open it" >&2; exit 127',
    );
  }
  mkdirSync(join(dir, "path"));
  script("path/npm", "");
  script("path/node", "echo 20");
  script("path/sleep", "");
  script("path/id", 'echo "$USER_ID"');
  // Debian without lists of packages: nothing can be installed before they are there.
  script(
    "path/apt-get",
    'case "$*" in *update*) [ -z "$OFFLINE" ] || { echo "no network" >&2; exit 100; }',
    '[ -e "$HOME/tried" ] || { touch "$HOME/tried"; echo "E: Could not get lock" >&2; exit 100; }',
    'touch "$HOME/lists" ;; esac',
    'case "$*" in *install*libatomic1*) [ -e "$HOME/lists" ] || exit 100; touch "$HOME/library" ;; esac',
  );
  const environment = { ...emptyEnvironment(dir), PATH: `${dir}/path:/usr/bin:/bin` };
  const run = (file: string, more: NodeJS.ProcessEnv) =>
    new Program("sh", [join(dir, file), "bin/echo", "a b"], { ...environment, ...more }).ended;
  const names = /^assay needs Node.js 24 .*libatomic\.so\.1.*apt-get install libatomic1/m;
  t.match(await run("bin/with-node", { USER_ID: "1000" }), { code: 1, out: "", err: names });
  t.match(await run("bin/assay", { USER_ID: "0" }), { code: 1, out: "", err: names });
  const offline = await run("bin/with-node", { USER_ID: "0", OFFLINE: "1" });
  t.match(offline, { code: 1, out: "", err: names });
  t.match(offline.err, /no network/);
  t.match(await run("bin/with-node", { USER_ID: "0" }), {
    code: 0,
    out: "a b\n",
    err: /^installing Debian's package libatomic1, which Node.js needs \(once\)\n$/,
  });
  t.same(await run("bin/with-node", { USER_ID: "0" }), { code: 0, out: "a b\n", err: "" });
});
