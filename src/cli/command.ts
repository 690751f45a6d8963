/** What a command is: a table of options from which parsing, `--help` and their tests are made, and one function. */
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

export interface OptionSpec {
  /** Long name without dashes, `spiffe-id`. */
  readonly name: string;
  /** Placeholder of the value in `--help`, `ID`; absent for a flag. */
  readonly value?: string;
  /** One line; lower case, no full stop. */
  readonly help: string;
  /** Other forms of the same question, tried when the option is not given. */
  readonly env?: string;
  /** What holds without the option, as `--help` shows it. */
  readonly fallback?: string;
  readonly choices?: readonly string[];
  /** May be given several times. */
  readonly many?: true;
  readonly required?: true;
}

export interface Command {
  /** `entry create`. */
  readonly name: string;
  readonly options: readonly OptionSpec[];
  /** The option that bare words belong to (`entry show ID` is `entry show --id ID`). */
  readonly operand?: string;
  /** Whole command lines; a test parses each. */
  readonly examples: readonly string[];
  /** Further sentences for `--help`. */
  readonly notes?: readonly string[];
  /** @returns the exit code when it is not 0 */
  run(context: CommandContext): Promise<number | undefined>;
}

export interface CommandContext {
  readonly options: Options;
  readonly output: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
}

/** Wrong use of the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
