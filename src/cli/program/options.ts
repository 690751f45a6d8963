import { parseArgs } from "node:util";
import { parseDuration } from "../../config/settings/duration.ts";
import { type Grammar, type OptionSpec, UsageError } from "./grammar.ts";
import { nearest } from "../../base/nearest.ts";

/** Options every command takes. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [{ name: "help", help: "show this help" }];

export const OUTPUT_OPTION: OptionSpec = {
  name: "output",
  value: "FORMAT",
  help: "how to print data",
  choices: ["text", "json"],
  fallback: "text",
};

type Value = string | readonly string[] | boolean;

/** The parsed command line of one command; asking for an option that is not in its table is a programming error. */
export class Options {
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  readonly #values: ReadonlyMap<string, Value>;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(
    specs: ReadonlyMap<string, OptionSpec>,
    values: ReadonlyMap<string, Value>,
    env: NodeJS.ProcessEnv,
  ) {
    this.#specs = specs;
    this.#values = values;
    this.#env = env;
  }

  /** @throws UsageError naming the option and, where there is one, the right one */
  static parse(command: Grammar, args: readonly string[], env: NodeJS.ProcessEnv): Options {
    const specs = new Map(
      [...command.options, ...COMMON_OPTIONS].map((spec) => [spec.name, spec] as const),
    );
    const values = new Map<string, Value>();
    const { tokens } = parseArgs({
      args: [...args],
      allowPositionals: true,
      strict: false,
      tokens: true,
      options: {
        ...Object.fromEntries(
          [...specs.values()].map((spec) => [
            spec.name,
            { type: spec.value === undefined ? ("boolean" as const) : ("string" as const) },
          ]),
        ),
        help: { type: "boolean", short: "h" },
      },
    });
    let isRest = false;
    for (const token of tokens) {
      if (token.kind === "option-terminator") isRest = true;
      else if (token.kind === "option") {
        const spec = specs.get(token.name);
        if (spec === undefined || spec.rest === true) {
          throw unknownOption(command, token.rawName, args[token.index] ?? "", specs);
        }
        take(spec, values, token.value, token.inlineValue);
      } else if (token.kind === "positional") {
        takeOperand(command, specs, values, token.value, isRest);
      }
    }
    if (values.get("help") !== true) checkRequired(command, specs, values, env);
    return new Options(specs, values, env);
  }

  flag(name: string): boolean {
    this.#spec(name);
    return this.#values.get(name) === true;
  }

  /** The value given, or that of the option's environment variable. Empty counts as absent. */
  text(name: string): string | undefined {
    const spec = this.#spec(name);
    const given = this.given(name);
    if (given !== undefined) return given;
    const inherited = spec.env === undefined ? undefined : this.#env[spec.env];
    return inherited === "" ? undefined : inherited;
  }

  /** The value given on the command line itself. */
  given(name: string): string | undefined {
    this.#spec(name);
    const value = this.#values.get(name);
    return typeof value === "string" ? value : undefined;
  }

  /** For options with `required`. */
  required(name: string): string {
    const value = this.text(name) ?? this.list(name)[0];
    if (value === undefined) throw new UsageError(`--${name} is missing`);
    return value;
  }

  list(name: string): readonly string[] {
    this.#spec(name);
    const value = this.#values.get(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  /** A duration such as `600s`, `5m`, `1h`, `2d`, or plain seconds. @throws UsageError */
  seconds(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    try {
      return parseDuration(text);
    } catch (error) {
      throw new UsageError(`--${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** A duration of something that is to be made; 0 would mean the default where it arrives. @throws UsageError */
  life(name: string): number | undefined {
    const seconds = this.seconds(name);
    if (seconds !== 0) return seconds;
    throw new UsageError(
      `--${name}: '${this.text(name)}' is no time at all; leave it out for the default`,
    );
  }

  #spec(name: string): OptionSpec {
    const spec = this.#specs.get(name);
    if (spec === undefined) throw new TypeError(`option '${name}' is not in the command's table`);
    return spec;
  }
}

function take(
  spec: OptionSpec,
  values: Map<string, Value>,
  value: string | undefined,
  inlineValue: boolean | undefined,
): void {
  const { name } = spec;
  if (spec.value === undefined) {
    if (inlineValue === true) throw new UsageError(`--${name} takes no value`);
    values.set(name, true);
    return;
  }
  // `--socket --once`: the next option was not meant as a value.
  if (value === undefined || (inlineValue !== true && /^--[a-z]/.test(value))) {
    throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`);
  }
  takeValue(spec, values, value);
}

function takeOperand(
  command: Grammar,
  specs: ReadonlyMap<string, OptionSpec>,
  values: Map<string, Value>,
  word: string,
  isRest: boolean,
): void {
  const spec = command.operand === undefined ? undefined : specs.get(command.operand);
  if (spec?.rest === true) {
    if (!isRest) {
      throw new UsageError(
        `unexpected word '${word}'; write the command behind '--', as '${command.examples[0] ?? ""}'`,
      );
    }
    const before = values.get(spec.name);
    values.set(spec.name, [...(Array.isArray(before) ? (before as readonly string[]) : []), word]);
    return;
  }
  if (spec === undefined) {
    throw new UsageError(
      `unexpected word '${word}'; 'assay ${command.name}' takes options only, see 'assay ${command.name} --help'`,
    );
  }
  const before = spec.many === true ? undefined : values.get(spec.name);
  if (before !== undefined) {
    throw new UsageError(
      `unexpected word '${word}'; '${String(before)}' is the ${spec.value} already, and 'assay ${command.name}' takes one`,
    );
  }
  takeValue(spec, values, word);
}

function takeValue(spec: OptionSpec, values: Map<string, Value>, value: string): void {
  if (value === "")
    throw new UsageError(`--${spec.name} is empty; leave it out or give it a value`);
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    const meant = nearest(value, spec.choices);
    const hint = meant === undefined ? "" : `; did you mean '${meant}'?`;
    throw new UsageError(
      `--${spec.name} takes ${spec.choices.join(" or ")}, not '${value}'${hint}`,
    );
  }
  if (spec.many === true) {
    const before = values.get(spec.name);
    values.set(spec.name, [...(Array.isArray(before) ? (before as readonly string[]) : []), value]);
    return;
  }
  if (values.has(spec.name)) throw new UsageError(`--${spec.name} is given twice`);
  values.set(spec.name, value);
}

function checkRequired(
  command: Grammar,
  specs: ReadonlyMap<string, OptionSpec>,
  values: ReadonlyMap<string, Value>,
  env: NodeJS.ProcessEnv,
): void {
  for (const spec of specs.values()) {
    const inherited = spec.env === undefined ? undefined : env[spec.env];
    if (spec.required !== true || values.has(spec.name) || (inherited ?? "") !== "") continue;
    throw new UsageError(
      `--${spec.name} is missing; for example '${command.examples[0] ?? `assay ${command.name}`}'`,
    );
  }
}

/** @param word the whole word, of which `rawName` is one letter where it begins with one dash, as SPIRE's `-spiffeID` */
function unknownOption(
  command: Grammar,
  rawName: string,
  word: string,
  specs: ReadonlyMap<string, OptionSpec>,
): UsageError {
  const [whole = ""] = word.split("=", 1);
  const name = whole
    .replace(/^-+/, "")
    .replace(/(?<=[a-z\d])(?=[A-Z])/g, "-")
    .toLowerCase();
  const renamed = [...specs.values()].find(({ formerly }) => formerly === name);
  if (renamed !== undefined) return new UsageError(`${whole} is --${renamed.name} now`);
  const known = [...specs.keys()];
  const meant =
    nearest(name, known) ??
    // SPIRE's -socketPath and -entryID.
    known.find((option) => name.startsWith(`${option}-`) || name.endsWith(`-${option}`));
  return new UsageError(
    meant === undefined
      ? `unknown option ${rawName}; 'assay ${command.name} --help' lists them`
      : `unknown option ${whole}; did you mean --${meant}?`,
  );
}
