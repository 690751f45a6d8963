/** The passphrase of an offline root, typed at a terminal. */
import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { TerminalProgram } from "../support/terminal.ts";
import { ASSAY, emptyEnvironment, run, temporaryFolder } from "./program.ts";

const SECRET = "corr\u00e9ct horse battery";
const FIRST = "passphrase of the root's key: ";
const SECOND = "the same once more: ";
const folder = temporaryFolder();
t.teardown(() => folder.remove());
const env = emptyEnvironment(folder.path);

function create(dir: string): TerminalProgram {
  return at(["ca", "root", "create", "--dir", dir, "--trust-domain", "example.org"]);
}

function at(args: readonly string[]): TerminalProgram {
  return new TerminalProgram(ASSAY, args, env);
}

t.test("it is hidden, and asked for twice; signing asks once", async (t) => {
  const dir = join(folder.path, "safe");
  const making = create(dir);
  await making.answer(FIRST, `${SECRET}\r`);
  await making.answer(SECOND, `${SECRET}\r`);
  t.equal(await making.end(), 0, making.screen);
  t.equal(making.screen, `${FIRST}\r\n${SECOND}\r\n`, "nothing of it on the screen");
  const key = readFileSync(join(dir, "root.key"), "utf8");
  t.equal(createPrivateKey({ key, passphrase: SECRET }).asymmetricKeyType, "ec");

  const csr = join(folder.path, "no.csr");
  const signing = at(["ca", "root", "sign", csr, "--dir", dir]);
  t.equal(await signing.end(), 1);
  t.match(
    signing.screen,
    /--csr: there is no file .*no\.csr/,
    "what is wrong is said before it is asked for",
  );
});

t.test("editing: rubbed out, killed, pasted, in pieces", async (t) => {
  const cases: readonly [string, readonly string[]][] = [
    ["rubbed out", [`${SECRET}xy\u007f\b\r`, `${SECRET}\n`]],
    ["killed", [`wrong\u0015${SECRET}\r`, `${SECRET}\r`]],
    ["pasted with both lines", [`${SECRET}\n${SECRET}\n`]],
    ["end of file amid a line is nothing", [`${SECRET}\u0004\r`, `${SECRET}\r`]],
  ];
  for (const [name, [first = "", second]] of cases) {
    const dir = join(folder.path, name.replaceAll(" ", "-"));
    const making = create(dir);
    await making.answer(FIRST, first);
    if (second !== undefined) await making.answer(SECOND, second);
    t.equal(await making.end(), 0, `${name}: ${making.screen}`);
    const key = readFileSync(join(dir, "root.key"), "utf8");
    t.doesNotThrow(() => createPrivateKey({ key, passphrase: SECRET }), name);
  }
});

t.test("what makes no root", async (t) => {
  const cases: readonly [string, readonly string[], RegExp][] = [
    ["two that differ", [`${SECRET}\r`, `${SECRET}.\r`], /two different passphrases were typed/],
    ["a short one", ["short\r", "short\r"], /assay: the passphrase has fewer than 12 characters/],
    ["Ctrl-C", ["half of it\u0003"], /interrupted, and nothing was done/],
    ["Ctrl-D", ["\u0004"], /nothing was typed, and nothing was done/],
    ["Ctrl-D at the second", [`${SECRET}\r`, "\u0004"], /nothing was typed/],
    ["a book", ["x".repeat(1025)], /more than 1024 characters/],
  ];
  for (const [name, [first = "", second], says] of cases) {
    const dir = join(folder.path, `no-${name}`);
    const making = create(dir);
    await making.answer(FIRST, first);
    if (second !== undefined) await making.answer(SECOND, second);
    t.equal(await making.end(), 1, name);
    t.match(making.screen, says);
    t.notMatch(making.screen, /horse|short\r|half|xx/, "not shown either");
    t.notOk(existsSync(dir), name);
  }
  const stopped = create(join(folder.path, "stopped"));
  await stopped.answer(FIRST, "half");
  stopped.stop("SIGTERM");
  t.equal(await stopped.end(), 1);
});

t.test("a pipe is read as it is; no terminal and no file is wrong use", async (t) => {
  const dir = join(folder.path, "piped");
  const args = ["ca", "root", "create", "--dir", dir, "--trust-domain", "example.org"];
  t.match(await run(args, env), { code: 2, err: /--passphrase-file is missing.*\/dev\/tty asks/ });
  for (const [file, name] of [
    ["-", "dash"],
    ["/dev/stdin", "device"],
  ] as const) {
    const made = [...args.with(4, join(folder.path, name)), "--passphrase-file", file];
    const { code, err } = await run(made, env, `${SECRET}\n`);
    t.equal(code, 0, `${file}: ${err}`);
  }
});
