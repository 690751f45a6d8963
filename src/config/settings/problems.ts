import { AssayError, errorFrom } from "../../base/errors.ts";

/** Everything that is wrong with a configuration, one sentence for each thing. */
export class ConfigError extends AssayError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], kind: AssayError["kind"] = "invalid") {
    super(kind, sentence(problems));
    this.problems = problems;
  }
}

/** What a thrown value says is wrong. */
export function problemsOf(thrown: unknown): readonly string[] {
  return thrown instanceof ConfigError ? thrown.problems : [errorFrom(thrown).message];
}

/**
 * Makes each part, also after one has failed, so that an operator sees all that is wrong at once.
 * @throws ConfigError with every problem, each once; a single error as it is
 */
export function allOf<T extends object>(parts: { readonly [K in keyof T]: () => T[K] }): T {
  const made: Partial<T> = {};
  const thrown: unknown[] = [];
  for (const key of Object.keys(parts) as (keyof T)[]) {
    try {
      made[key] = parts[key]();
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      thrown.push(error);
    }
  }
  if (thrown.length === 0) return made as T;
  const kinds = new Set(thrown.map((error) => errorFrom(error).kind));
  const [kind = "invalid"] = kinds;
  throw new ConfigError(
    [...new Set(thrown.flatMap(problemsOf))],
    kinds.size === 1 ? kind : "invalid",
  );
}

function sentence(problems: readonly string[]): string {
  const shown = problems.slice(0, MAX_SHOWN).join("; ");
  const rest = problems.length - MAX_SHOWN;
  return rest > 0 ? `${shown}; and ${rest} more` : shown;
}

const MAX_SHOWN = 5;
