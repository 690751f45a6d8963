import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";

export interface ChildParams {
  /** `server` or `agent`. */
  readonly role: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Written anew at each start. */
  readonly logFile: string;
}

/**
 * A server or an agent as a child process. It holds a pipe as its standard input and ends when that closes, so that it
 * outlives this process by no more than a moment, even when this one is killed.
 */
export class Child implements AsyncDisposable {
  /** The facts from `--ready-fd`. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Rejects when the process ends without having been asked to. */
  readonly died: Promise<never>;
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #params: ChildParams;
  #stopping = false;

  constructor(params: ChildParams) {
    this.#params = params;
    const log = openSync(params.logFile, "w", 0o600);
    this.#process = spawn(
      process.execPath,
      [...process.execArgv, process.argv[1] ?? "", ...params.args, ...SUPERVISED],
      // A process group of its own: Ctrl-C reaches this process alone, which then ends the children in order.
      { stdio: ["pipe", log, log, "pipe"], env: params.env, detached: true },
    );
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      this.#process.on("error", () => resolve(null));
      this.#process.on("exit", resolve);
    });
    this.#process.stdin?.on("error", () => undefined);
    this.died = this.#ended.then((code) => {
      if (this.#stopping) return new Promise<never>(() => undefined);
      throw this.#failure(code);
    });
    this.ready = Promise.race([this.#readyLine(), this.died]);
    // Whoever awaits them sees the rejection; nobody has to.
    this.died.catch(() => undefined);
    this.ready.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#process.stdin?.end();
    const forced = setTimeout(() => this.#process.kill("SIGKILL"), FORCED_END_MS);
    await this.#ended;
    clearTimeout(forced);
  }

  async #readyLine(): Promise<Readonly<Record<string, unknown>>> {
    // With "pipe" for descriptor 3, Node makes this a stream that can be read.
    const pipe = this.#process.stdio[3] as Readable;
    for await (const line of createInterface({ input: pipe })) {
      return JSON.parse(line) as Record<string, unknown>;
    }
    return new Promise<never>(() => undefined);
  }

  #failure(code: number | null): Error {
    const { role, logFile } = this.#params;
    const last = readFileSync(logFile, "utf8").trim().split("\n").at(-1) ?? "";
    const said = last === "" ? `exit code ${code ?? "none"}` : last.replace(/^assay: /, "");
    return fail("unavailable", `the ${role} ended: ${said} (log: ${logFile})`);
  }
}

const SUPERVISED = ["--exit-with-stdin", "--ready-fd", "3"];
const FORCED_END_MS = 10_000;
