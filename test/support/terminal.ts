/** A terminal that a test types at: a pseudo terminal, its other end given to a child process. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { ReadStream } from "node:tty";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const posixOpenpt = libc.func("int posix_openpt(int flags)");
const unlockpt = libc.func("int unlockpt(int fd)");
const ptsname = libc.func("str ptsname(int fd)");

/** A program whose standard input and standard error are a terminal. */
export class TerminalProgram {
  /** All that the terminal shows: prompts, and what is typed unless the program keeps it off the screen. */
  screen = "";
  out = "";
  readonly #child: ChildProcess;
  readonly #keyboard: ReadStream;
  readonly #ended: Promise<number | null>;
  readonly #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const master = posixOpenpt(constants.O_RDWR | constants.O_NOCTTY) as number;
    if (master < 0 || unlockpt(master) !== 0) throw new Error("no pseudo terminal");
    const slave = openSync(ptsname(master) as string, constants.O_RDWR | constants.O_NOCTTY);
    this.#child = spawn(command, args, { env, stdio: [slave, "pipe", slave] });
    closeSync(slave);
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.#keyboard = new ReadStream(master);
    this.#keyboard.on("data", (chunk: Buffer) => {
      this.screen += chunk.toString();
      this.#told();
    });
    // The last other end is closed: EIO.
    this.#keyboard.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (code) => {
        resolve(code);
        this.#told();
      });
    });
  }

  /** Waits until the screen ends with this text, then types. @throws when the program ends before */
  async answer(prompt: string, keys: string | Uint8Array): Promise<void> {
    while (!this.screen.endsWith(prompt)) {
      if (this.#child.exitCode !== null)
        throw new Error(`ended before '${prompt}': ${this.screen}`);
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
    // A tty.ReadStream is a socket, and writes to the same terminal.
    this.#keyboard.write(keys);
  }

  /** @returns the exit code */
  async end(): Promise<number | null> {
    const code = await this.#ended;
    this.#keyboard.destroy();
    return code;
  }

  stop(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #told(): void {
    for (const watcher of this.#watchers) watcher();
    this.#watchers.clear();
  }
}
