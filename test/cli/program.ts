/** The program as its users meet it: real processes on temporary folders. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ASSAY = join(import.meta.dirname, "../../bin/assay");

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Environment of a user who has nothing set up and whose home is `dir`. */
export function emptyEnvironment(dir: string): NodeJS.ProcessEnv {
  const { PATH } = process.env;
  return { PATH, HOME: dir, XDG_STATE_HOME: join(dir, "state"), XDG_RUNTIME_DIR: join(dir, "run") };
}

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "assay-cli-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A process whose output can be waited for. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  #out = "";
  #err = "";
  readonly #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, input?: string) {
    this.child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.#out += chunk.toString();
      this.#told();
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.#err += chunk.toString();
      this.#told();
    });
    this.child.stdin?.on("error", () => undefined);
    if (input !== undefined) this.child.stdin?.end(input);
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code) => {
        resolve({ code, out: this.#out, err: this.#err });
        this.#told();
      });
    });
  }

  /** The first match in the standard output (or, with `err`, the standard error). */
  async said(pattern: RegExp, where: "out" | "err" = "out"): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(where === "out" ? this.#out : this.#err);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended without ${pattern}:\n${this.#out}\n${this.#err}`);
      }
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ran> {
    this.child.kill(signal);
    return this.ended;
  }

  #told(): void {
    for (const watcher of this.#watchers) watcher();
    this.#watchers.clear();
  }
}

export function start(args: readonly string[], env: NodeJS.ProcessEnv): Program {
  return new Program(ASSAY, args, env);
}

export function run(args: readonly string[], env: NodeJS.ProcessEnv, input = ""): Promise<Ran> {
  return new Program(ASSAY, args, env, input).ended;
}
