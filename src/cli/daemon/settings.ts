import { resolve } from "node:path";
import { type ConfigFile, readConfigFile } from "../../config/settings/config-file.ts";
import type { PathContext } from "../../config/paths.ts";
import { type Setting, type SettingTable, isOption } from "../../config/settings/setting.ts";
import { Settings } from "../../config/settings/source.ts";
import type { CommandContext } from "../program/command.ts";
import type { OptionSpec } from "../program/grammar.ts";

/** Options of the two daemons that belong to one start and not into a configuration file. */
export const PROCESS_OPTIONS: readonly OptionSpec[] = [
  {
    name: "config",
    value: "FILE",
    help: "YAML or JSON with these options as camelCase keys, and the attestors' sections",
  },
  {
    name: "ready-fd",
    value: "N",
    help: "write one line of JSON to this file descriptor once everything listens",
  },
  { name: "exit-with-stdin", help: "end when standard input is closed, for supervisors" },
];

/** The command line's options for a table of settings. */
export function settingOptions(table: SettingTable): readonly OptionSpec[] {
  return Object.entries(table)
    .filter(([, setting]) => isOption(setting))
    .map(([name, setting]) => optionOf(name, setting));
}

function optionOf(name: string, setting: Setting): OptionSpec {
  const { shape, value, help, env, default: given } = setting;
  const fallback =
    setting.fallback ??
    (given === undefined || typeof given === "function" || typeof given === "boolean"
      ? undefined
      : String(given));
  return {
    name,
    help,
    ...(value === undefined ? {} : { value }),
    ...(env === undefined ? {} : { env }),
    ...(shape.kind === "choice" ? { choices: shape.choices } : {}),
    ...(fallback === undefined ? {} : { fallback }),
  };
}

/**
 * The settings of a daemon: command line, then environment, then the file that --config names, read now.
 * @param found in place of --config: a file in whose folder this process works, while the command line's paths are
 *   those of where it was started
 */
export async function loadSettings<T extends SettingTable>(
  table: T,
  { options }: CommandContext,
  context: PathContext,
  found?: string,
): Promise<Settings<T>> {
  const fileName = options.text("config") ?? found;
  const file: ConfigFile | undefined =
    fileName === undefined ? undefined : await readConfigFile(fileName);
  const kind = (name: string): "flag" | "value" | "none" => {
    const setting = table[name];
    if (setting === undefined || !isOption(setting)) return "none";
    return setting.shape.kind === "flag" ? "flag" : "value";
  };
  const asStarted = (name: string, text: string | undefined): string | undefined => {
    const isPath = PATHS.has(table[name]?.value ?? "") && text?.startsWith("unix:") === false;
    return found !== undefined && isPath ? resolve(STARTED_IN, text) : text;
  };
  return new Settings({
    table,
    given: (name) => {
      if (kind(name) === "flag") return options.flag(name) ? "true" : undefined;
      return kind(name) === "value" ? asStarted(name, options.given(name)) : undefined;
    },
    fromEnv: (name) => (kind(name) === "value" ? asStarted(name, options.text(name)) : undefined),
    ...(file === undefined ? {} : { file }),
    context,
  });
}

/** Placeholders of paths in the tables. */
const PATHS: ReadonlySet<string> = new Set(["DIR", "FILE", "PATH"]);
const STARTED_IN = process.cwd();
