import { readConfigFile } from "../../config/settings/config-file.ts";
import { type ShownValue, shownValues } from "../../config/settings/shown.ts";
import type { Command } from "../program/command.ts";
import { currentUid } from "../connection/rpc-clients.ts";
import { CONFIG_OPTIONS, roleConfig, roleOf } from "./role-config.ts";

export const command: Command = {
  name: "config show",
  operand: "file",
  options: CONFIG_OPTIONS,
  examples: [
    "assay config show /etc/assay/server.yaml",
    "assay config show agent.yaml --output json",
  ],
  notes: [
    "Each value with its origin: the file, the environment of this shell, or the default. Of secrets it is only said",
    "that they are set.",
  ],
  async run(context) {
    const { options, output, env } = context;
    const name = options.required("file");
    const file = await readConfigFile(name);
    const role = roleOf(context, file);
    const who = { uid: currentUid(), env };
    const { settings, secretVariables, check } = roleConfig(role, file, who);
    await check();
    const values: readonly ShownValue[] = [
      ...shownValues(settings, who),
      ...secretVariables.map((path) => ({ path, isSecret: true, from: "environment" as const })),
    ];
    output.data(
      {
        file: name,
        role,
        settings: Object.fromEntries(values.map((value) => [value.path, valueJson(value)])),
      },
      () => valueLines(values),
    );
    return undefined;
  },
};

function valueJson({ value, isSecret, from }: ShownValue): object {
  if (isSecret) return { secret: true, set: from !== "unset", from };
  return { value: value ?? null, from };
}

function valueLines(values: readonly ShownValue[]): string[] {
  const rows = values.map((value) => [value.path, valueText(value), value.from] as const);
  const width = (column: 0 | 1): number =>
    Math.min(WIDEST, Math.max(...rows.map((row) => row[column].length)));
  const [first, second] = [width(0), width(1)];
  return rows.map(([path, text, from]) => `${path.padEnd(first)}  ${text.padEnd(second)}  ${from}`);
}

function valueText({ value, isSecret, from, fallback }: ShownValue): string {
  if (from === "unset") return `(${fallback ?? "none"})`;
  if (isSecret) return "(set)";
  return typeof value === "string" && !CONTROL.test(value) ? value : JSON.stringify(value);
}

const WIDEST = 48;
const CONTROL = /\p{Cc}/u;
