import { AssayError } from "../../base/errors.ts";
import { type Command, EXIT_FAILURE, EXIT_USAGE } from "./command.ts";
import { UsageError } from "./grammar.ts";
import { commandHelp, groupHelp, programHelp } from "./help.ts";
import { nearest } from "../../base/nearest.ts";
import { Options } from "./options.ts";
import { type Streams, createOutput } from "./output.ts";
import { COMMANDS } from "./registry.ts";
import { spireCommand } from "./spire-words.ts";
import { type StopSignals, stopOnSignals } from "./signals.ts";

export interface Program extends Streams {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Runs one command line; never throws. @returns the exit code: 0, 1 (failed) or 2 (wrong usage) */
export async function runProgram(program: Program): Promise<number> {
  let stop: StopSignals | undefined;
  try {
    const found = findCommand(program.args);
    if (found.kind === "help") {
      program.stdout(found.text);
      return 0;
    }
    const { command } = await found.registered.load();
    const options = Options.parse(command, found.rest, program.env);
    if (options.flag("help")) {
      program.stdout(commandHelp(command, found.registered.summary));
      return 0;
    }
    stop = stopOnSignals(program.stderr);
    const output = createOutput(outputFormat(command, options), program);
    const { signal, onHangup } = stop;
    const releaseSignals = (): void => stop?.[Symbol.dispose]();
    const context = { options, output, env: program.env, signal, onHangup, releaseSignals };
    return (await command.run(context)) ?? 0;
  } catch (thrown) {
    if (stop?.signal.aborted === true && isCancelled(thrown)) return EXIT_FAILURE;
    program.stderr(`assay: ${errorSentence(thrown)}\n`);
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
  } finally {
    stop?.[Symbol.dispose]();
  }
}

type Found =
  | { readonly kind: "help"; readonly text: string }
  | {
      readonly kind: "command";
      readonly registered: (typeof COMMANDS)[number];
      readonly rest: readonly string[];
    };

/** @throws UsageError for a command that does not exist, with the nearest one */
function findCommand(args: readonly string[]): Found {
  const first = args[0];
  const summaries = COMMANDS.map(({ name, summary }) => [name, summary] as const);
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    const rest = args.slice(1).filter((word) => !word.startsWith("-"));
    if (first === "help" && rest.length > 0) return findCommand([...rest, "--help"]);
    return { kind: "help", text: programHelp(summaries) };
  }
  if (first === "--version" || first === "-V") return findCommand(["version", ...args.slice(1)]);
  // Ours takes no word, SPIRE's groups are called so.
  if (first === "agent") refuseSpireWords(args);
  for (const registered of COMMANDS) {
    const words = registered.name.split(" ");
    if (words.every((word, index) => args[index] === word)) {
      return { kind: "command", registered, rest: args.slice(words.length) };
    }
  }
  if (args.length > 1 || !COMMANDS.some(({ name }) => name.startsWith(`${first} `))) {
    refuseSpireWords(args);
  }
  const group = summaries.filter(([name]) => name.startsWith(`${first} `));
  if (group.length === 0) {
    const ending = summaries.filter(([name]) => name.endsWith(` ${first}`));
    if (ending.length > 0) throw new UsageError(`unknown command '${first}'; ${thereAre(ending)}`);
    const meant = nearest(first, [
      ...new Set(COMMANDS.map(({ name }) => name.split(" ")[0] ?? "")),
    ]);
    const hint = meant === undefined ? "'assay --help' lists the commands" : didYouMean(meant);
    throw new UsageError(`unknown command '${first}'; ${hint}`);
  }
  const second = args[1];
  if (second === undefined || second === "--help" || second === "-h") {
    if (second !== undefined) return { kind: "help", text: groupHelp(first, group) };
    throw new UsageError(`'assay ${first}' needs one more word: ${groupWords(group)}`);
  }
  const meant = nearest(second, groupNames(group));
  const hint =
    meant === undefined ? `there are: ${groupWords(group)}` : didYouMean(`${first} ${meant}`);
  throw new UsageError(`unknown command '${first} ${second}'; ${hint}`);
}

/** @throws UsageError for a command line of SPIRE's, with ours */
function refuseSpireWords(args: readonly string[]): void {
  const found = spireCommand(args);
  if (found === undefined) return;
  const { words, ours } = found;
  throw new UsageError(`SPIRE's '${words}' is 'assay ${ours}' here; see 'assay ${ours} --help'`);
}

/** Of a command's last word alone: where it belongs. */
function thereAre(commands: readonly (readonly [string, string])[]): string {
  const names = commands.map(([name]) => `'assay ${name}'`);
  if (names.length > MOST_NAMED) return `'assay --help' lists the ${names.length} that end in it`;
  return names.length === 1 ? `did you mean ${names.join()}?` : `there are ${names.join(", ")}`;
}

function didYouMean(name: string): string {
  return `did you mean 'assay ${name}'?`;
}

function groupNames(group: readonly (readonly [string, string])[]): string[] {
  return group.map(([name]) => name.slice(name.indexOf(" ") + 1));
}

function groupWords(group: readonly (readonly [string, string])[]): string {
  return groupNames(group).join(", ");
}

function outputFormat(command: Command, options: Options): "text" | "json" {
  const prints = command.options.some((option) => option.name === "output");
  return prints && options.text("output") === "json" ? "json" : "text";
}

function isCancelled(thrown: unknown): boolean {
  if (thrown instanceof AssayError) return thrown.kind === "cancelled";
  return thrown instanceof Error && thrown.name === "AbortError";
}

/** One sentence, whatever was thrown; a defect of the program keeps its stack under ASSAY_DEBUG. */
function errorSentence(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (process.env["ASSAY_DEBUG"] !== undefined) return thrown.stack ?? thrown.message;
  return thrown.message.replaceAll(/\s*\n\s*/g, "; ");
}

const MOST_NAMED = 4;
