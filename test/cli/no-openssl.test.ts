/** P17, P18: server and clients work without any other program, an OpenSSL one above all. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Program, type Ran, emptyEnvironment, temporaryFolder } from "./program.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const folder = temporaryFolder();
// In memory already: the client mounts nothing then, also where it may.
const memory = mkdtempSync("/dev/shm/assay-no-openssl-");
t.teardown(() => {
  folder.remove();
  rmSync(memory, { recursive: true });
});
const called = join(folder.path, "called");
const bin = join(folder.path, "bin");
mkdirSync(bin);
writeFileSync(join(bin, "openssl"), `#!/bin/sh\necho "$@" >> ${called}\n`);
chmodSync(join(bin, "openssl"), 0o755);

/** Every way to another program, closed and noted; Node's own guard would close fsync as well. */
const guard = join(folder.path, "guard.mjs");
writeFileSync(
  guard,
  `import child, { ChildProcess } from "node:child_process";
import { appendFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const refuse = (...what) => {
  appendFileSync(${JSON.stringify(called)}, JSON.stringify(what) + "\\n");
  throw new Error("another program");
};
ChildProcess.prototype.spawn = refuse;
for (const name of ["spawnSync", "execSync", "execFileSync"]) child[name] = refuse;
process.execve = refuse;
syncBuiltinESMExports();
`,
);

/** Nothing else is found, and who looks for it leaves a trace. */
const env = { ...emptyEnvironment(folder.path), PATH: bin };
const GUARD = ["--disable-warning=ExperimentalWarning", "--import", guard];

function start(...args: readonly string[]): Program {
  return new Program(process.execPath, [...GUARD, MAIN, ...args], env);
}

function run(...args: readonly string[]): Promise<Ran> {
  return start(...args).ended;
}

/** @returns what was called since */
function traces(): string {
  const text = existsSync(called) ? readFileSync(called, "utf8") : "";
  writeFileSync(called, "");
  return text;
}

t.test("the guard guards, and the trap is one", async (t) => {
  const ways = [
    "import { spawnSync as run } from 'node:child_process'; run('openssl', ['x509'])",
    "import { spawn as run } from 'node:child_process'; run('openssl', ['x509'])",
    "import { exec as run } from 'node:child_process'; run('openssl x509')",
    "import { execFileSync as run } from 'node:child_process'; run('openssl', ['x509'])",
  ];
  for (const way of ways) {
    const args = ["--input-type=module", "-e", way];
    t.match(await new Program(process.execPath, [...GUARD, ...args], env).ended, { code: 1 });
    t.match(traces(), /^\[.*openssl.*x509/, way);
  }
  const open = ["--input-type=module", "-e", ways[0] ?? ""];
  t.match(await new Program(process.execPath, open, env).ended, { code: 0 });
  t.equal(traces(), "x509\n", "the program itself");
});

t.test("P17 P18 a CA, a server on it, and certificates for RSA and EC keys", async (t) => {
  const dir = join(folder.path, "ca");
  const socket = join(folder.path, "server.sock");
  const init = await run("ca", "init", dir, "--host", "localhost", "--listen", "127.0.0.1:0");
  t.equal(init.code, 0, init.err);
  const server = start("server", `--data-dir=${dir}`, `--socket=${socket}`, "--listen=127.0.0.1:0");
  t.teardown(() => server.stop());
  const [, port = ""] = await server.said(/provision front end listens .*port=(\d+)/, "err");
  const issued: X509Certificate[] = [];
  for (const keyType of ["rsa-2048", "ec-p256"]) {
    const token = join(folder.path, `${keyType}.token`);
    const own = ["--socket", socket, "--write", token];
    const made = await run(
      "provision",
      "token",
      "--name",
      "web.example.org",
      "--san",
      "10.0.0.7",
      ...own,
    );
    t.match(made, { code: 0 }, made.err);
    const files = join(memory, keyType);
    const options = {
      server: `https://localhost:${port}`,
      name: "web.example.org",
      san: "10.0.0.7",
      "ca-file": join(dir, "cacert.pem"),
      "token-file": token,
      "key-type": keyType,
      dir: files,
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const ran = await run("provision", "client", ...words);
    t.equal(ran.code, 0, ran.err);
    const certificate = new X509Certificate(readFileSync(join(files, "id.crt")));
    t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(files, "id.key")))));
    issued.push(certificate);
  }
  t.match(issued, [{ subjectAltName: "DNS:web.example.org, IP Address:10.0.0.7" }, {}]);
  const { err } = await server.stop();
  t.notMatch(err, /ENOENT|WARN|ERROR/, "and it missed nothing");
  t.equal(traces(), "", "nobody called another program");
});
