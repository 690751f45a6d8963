import type { Grammar, OptionSpec } from "./grammar.ts";
import { COMMON_OPTIONS } from "./options.ts";

/** The text of `assay COMMAND --help`, made from the command's table. */
export function commandHelp(command: Grammar, summary: string): string {
  const options = [...command.options, ...COMMON_OPTIONS];
  const operand = options.find((option) => option.name === command.operand);
  const isRest = operand?.rest === true;
  const usage = operand === undefined || isRest ? "" : ` ${operandText(operand)}`;
  const rest = isRest ? ` -- ${operand.value ?? ""}` : "";
  return [
    sentence(summary),
    "",
    `Usage: assay ${command.name}${usage} [OPTION...]${rest}`,
    "",
    "Options:",
    ...columns(options.map((option) => [optionText(option), optionHelp(option)])),
    "",
    command.examples.length === 1 ? "Example:" : "Examples:",
    ...command.examples.map((example) => `  ${example}`),
    ...(command.notes === undefined ? [] : ["", ...command.notes]),
    "",
  ].join("\n");
}

/** The text of `assay --help`. */
export function programHelp(summaries: readonly (readonly [string, string])[]): string {
  return [
    "Assay gives every process a short-lived identity (SPIFFE) and no secret to keep.",
    "",
    "Usage: assay COMMAND [OPTION...]",
    "",
    "Commands:",
    ...columns(summaries),
    "",
    "'assay COMMAND --help' shows a command's options and an example.",
    "",
    "First steps:",
    "  assay dev          # a server and an agent on this machine, and your first identity",
    "",
  ].join("\n");
}

/** The help of a group such as `assay entry`. */
export function groupHelp(
  group: string,
  summaries: readonly (readonly [string, string])[],
): string {
  return [
    `Usage: assay ${group} COMMAND [OPTION...]`,
    "",
    "Commands:",
    ...columns(summaries),
    "",
  ].join("\n");
}

function operandText(operand: OptionSpec): string {
  const name = operand.choices?.join("|") ?? operand.value ?? "";
  const several = operand.many === true ? "..." : "";
  return operand.required === true ? `${name}${several}` : `[${name}${several}]`;
}

function optionText(option: OptionSpec): string {
  if (option.rest === true) return `-- ${option.value ?? ""}`;
  return `--${option.name}${option.value === undefined ? "" : ` ${option.value}`}`;
}

function optionHelp(option: OptionSpec): string {
  const notes = [
    ...(option.required === true ? ["required"] : []),
    ...(option.many === true && option.rest !== true ? ["may be repeated"] : []),
    ...(option.choices === undefined ? [] : [option.choices.join(" or ")]),
    ...(option.env === undefined ? [] : [`or $${option.env}`]),
    ...(option.fallback === undefined ? [] : [`default ${option.fallback}`]),
  ];
  return notes.length === 0 ? option.help : `${option.help} (${notes.join("; ")})`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
