import { isKind } from "../../base/errors.ts";

/** The table that parsing, `--help` and their tests are made from. */
export interface Grammar {
  /** `entry create`. */
  readonly name: string;
  readonly options: readonly OptionSpec[];
  /** The option that bare words belong to (`entry show ID` is `entry show --id ID`). */
  readonly operand?: string;
  /** Whole command lines; a test parses each. */
  readonly examples: readonly string[];
  /** Further sentences for `--help`. */
  readonly notes?: readonly string[];
}

export interface OptionSpec {
  /** Long name without dashes, `spiffe-id`. */
  readonly name: string;
  /** What it was called before; whoever writes that is told today's name. */
  readonly formerly?: string;
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
  /** The whole rest of the line behind `--`, as it stands: a command of somebody else's. */
  readonly rest?: true;
}

/** Wrong use of the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Settings that cannot be are wrong use, wherever they were written. */
export function orUsage<T>(build: () => T): T {
  try {
    return build();
  } catch (thrown) {
    throw isKind(thrown, "invalid") ? new UsageError(thrown.message) : thrown;
  }
}
