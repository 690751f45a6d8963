import { readConfigFile } from "../config/config-file.ts";
import { Settings } from "../config/source.ts";
import type { Command, CommandContext } from "./command.ts";
import type { OptionSpec } from "./grammar.ts";

/** Options of the two daemons that belong to one start and not into a configuration file. */
export const PROCESS_OPTIONS: readonly OptionSpec[] = [
  { name: "config", value: "FILE", help: "YAML or JSON with these options as camelCase keys" },
  {
    name: "ready-fd",
    value: "N",
    help: "write one line of JSON to this file descriptor once everything listens",
  },
  { name: "exit-with-stdin", help: "end when standard input is closed, for supervisors" },
];

export const LOG_OPTIONS: readonly OptionSpec[] = [
  {
    name: "metrics-listen",
    value: "HOST:PORT",
    help: "serve /metrics, /live and /ready there, to anyone who can reach it",
    fallback: "nowhere",
  },
  {
    name: "log-level",
    value: "LEVEL",
    help: "least severe lines to log",
    choices: ["debug", "info", "warn", "error"],
    fallback: "info",
  },
  {
    name: "log-format",
    value: "FORMAT",
    help: "form of log lines, on standard error",
    choices: ["text", "json"],
    fallback: "text",
  },
];

/** The settings of a daemon: command line, then environment, then the file that --config names. */
export async function loadSettings(
  command: Command,
  { options }: CommandContext,
): Promise<Settings> {
  const perStart = new Set(PROCESS_OPTIONS.map((spec) => spec.name));
  const own = command.options.filter((spec) => !perStart.has(spec.name));
  const fileName = options.text("config");
  const names = own.map((spec) => spec.name);
  const file = fileName === undefined ? new Map() : await readConfigFile(fileName, names);
  const flags = new Set(own.filter((spec) => spec.value === undefined).map((spec) => spec.name));
  return new Settings({
    given: (name) =>
      flags.has(name) ? (options.flag(name) ? "true" : undefined) : options.given(name),
    fromEnv: (name) => (flags.has(name) ? undefined : options.text(name)),
    file,
    ...(fileName === undefined ? {} : { fileName }),
  });
}
