import type { Grammar } from "./grammar.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

/** A command: its grammar and one function. */
export interface Command extends Grammar {
  /** @returns the exit code when it is not 0 */
  run(context: CommandContext): Promise<number | undefined>;
}

export interface CommandContext {
  readonly options: Options;
  readonly output: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  /** SIGHUP means this from now on, instead of the end. */
  readonly onHangup: (handler: () => void) => void;
  /** From now on signals are the command's own business: it becomes, or runs, a program that has them. */
  readonly releaseSignals: () => void;
}

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
