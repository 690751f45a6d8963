/** Becoming, or running, the program that an identity was had for. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { constants as system } from "node:os";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { libc } from "../../base/libc.ts";
import { collectOrphans } from "./orphans.ts";

/** How a command ended: as a shell counts it. */
export interface CommandEnd {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | undefined;
}

/**
 * Puts the command in the place of this process: same PID, signals and standard streams are its own.
 * @throws not_found, denied when it cannot be started; it does not return otherwise
 */
export function becomeCommand(argv: readonly string[], env: NodeJS.ProcessEnv): never {
  const path = findProgram(argv[0] ?? "", env);
  if (process.execve === undefined)
    throw fail("unsupported", "this Node cannot become another program");
  // Node ignores it, and what is ignored stays so across execve(2).
  libc()?.func("intptr_t signal(int signum, intptr_t handler)")(system.signals.SIGPIPE, SIG_DFL);
  return process.execve(path, argv, definedOf(env));
}

/** A command that runs beside this process, which hands on every signal that it gets. */
export class RunningCommand {
  readonly ended: Promise<CommandEnd>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ended: Promise<CommandEnd>) {
    this.#child = child;
    this.ended = ended;
  }

  /** @throws not_found, denied when it cannot be started */
  static start(argv: readonly string[], env: NodeJS.ProcessEnv): RunningCommand {
    const [name = "", ...args] = argv;
    const path = findProgram(name, env);
    // Listened for before there is a command: a signal in between would end this process and leave the command alone.
    const stopForwarding = forwardSignals((signal) => child.kill(signal));
    let child: ChildProcess;
    try {
      child = spawn(path, args, { env, stdio: "inherit", argv0: name });
    } catch (thrown) {
      stopForwarding();
      throw thrown;
    }
    const stopCollecting = collectOrphans(child.pid);
    const ended = new Promise<CommandEnd>((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code, killedBy) => resolve({ code, killedBy: killedBy ?? undefined }));
    }).finally(() => {
      stopCollecting();
      stopForwarding();
    });
    return new RunningCommand(child, ended);
  }

  /** Tells the program itself, as with SIGHUP that its certificate is new. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}

/**
 * Ends this process as the command ended. A signal is sent to this process, too, so that whoever started it sees what
 * it would have seen; the first process of a container cannot die of one, and ends with 128 and its number.
 * @returns the exit code
 */
export function endLike({ code, killedBy }: CommandEnd): number {
  if (killedBy === undefined) return code ?? 1;
  // Nothing that listens, from this program or loaded into it, is to keep it from ending so.
  process.removeAllListeners(killedBy);
  process.kill(process.pid, killedBy);
  return 128 + system.signals[killedBy];
}

/** Exit code for a command that could not be started, as shells have it (POSIX XCU §2.8.2). */
export const EXIT_NOT_FOUND = 127;
export const EXIT_NOT_STARTED = 126;

function forwardSignals(to: (signal: NodeJS.Signals) => void): () => void {
  const stops = FORWARDED.map((signal) => {
    const forward = (): void => {
      // The terminal has told the whole group itself.
      if (process.stdin.isTTY && FROM_TERMINAL.has(signal)) return;
      to(signal);
    };
    process.on(signal, forward);
    return () => process.off(signal, forward);
  });
  return () => stops.forEach((stop) => stop());
}

function findProgram(name: string, env: NodeJS.ProcessEnv): string {
  if (name.includes("/")) {
    const found = look(name);
    if (found === "program") return name;
    throw found === "none"
      ? fail("not_found", `there is no program ${name}`)
      : fail("denied", `${name} may not be run, or is no program`);
  }
  const folders = (env["PATH"] ?? DEFAULT_PATH).split(":");
  const paths = folders.map((folder) => join(folder === "" ? "." : folder, name));
  const found = name === "" ? undefined : paths.find((path) => look(path) === "program");
  if (found !== undefined) return found;
  throw fail("not_found", `there is no program '${name}' in ${folders.join(":")}`);
}

function look(path: string): "program" | "other" | "none" {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "none";
  try {
    accessSync(path, constants.X_OK);
  } catch {
    // Not ours to run.
    return "other";
  }
  return found.isFile() ? "program" : "other";
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((each): each is [string, string] => each[1] !== undefined),
  );
}

/** All that can be caught and mean something to a program; SIGCHLD and faults are this process's own. */
const FORWARDED = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGCONT",
  "SIGTSTP",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGURG",
] as const;
const FROM_TERMINAL: ReadonlySet<string> = new Set(["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"]);
/** signal(2). */
const SIG_DFL = 0;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
