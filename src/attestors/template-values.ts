/** What the variables of templates stand for: which selectors have their values, and who can check them. */
import { fail } from "../base/errors.ts";
import { type TemplateVariable, isOneSegment } from "../spiffe/id-template.ts";
import type { Selector } from "../spiffe/selector.ts";
import { checkSelectorName, keySeparator } from "./selector-types.ts";

/**
 * Refuses a variable that no workload can have a value for.
 * @throws invalid
 */
export function checkVariable(variable: TemplateVariable): void {
  const { text, type, name, key } = variable;
  if (!WORKLOAD_TYPES.has(type)) {
    throw fail(
      "invalid",
      `template variable {{${text}}}: type ${type} is none of a workload's; there are ${[...WORKLOAD_TYPES].join(", ")}`,
    );
  }
  // Of a known name with a key or without.
  if (type !== TOKEN) checkSelectorName({ type, value: `${name}:x` });
  const separator = keySeparator(type, name);
  if (separator === undefined) {
    throw fail("invalid", `template variable {{${text}}}: its value is never one path segment`);
  }
  if (separator !== "" && key === undefined) {
    throw fail("invalid", `template variable {{${text}}} has no key; write {{${text}:KEY}}`);
  }
  if (separator === "" && key !== undefined) {
    throw fail("invalid", `template variable {{${text}}} has a key; write {{${type}.${name}}}`);
  }
}

/** A variable that cannot be filled in, and why. */
export interface Unfilled {
  readonly variable: TemplateVariable;
  readonly reason: "no_value" | "several_values" | "no_segment";
  /** What there is instead. */
  readonly found: readonly string[];
}

/** Those that a workload with these selectors has no value for, or none that fits; in their order. */
export function unfilledVariables(
  variables: readonly TemplateVariable[],
  selectors: readonly Selector[],
): Unfilled[] {
  return variables.flatMap((variable): Unfilled[] => {
    const found = valuesOf(variable, selectors);
    const [value] = found;
    if (value === undefined) return [{ variable, reason: "no_value", found }];
    if (found.length > 1) return [{ variable, reason: "several_values", found }];
    return isOneSegment(value) ? [] : [{ variable, reason: "no_segment", found }];
  });
}

/** The one value that a workload with these selectors has; `undefined` when it has none, or several. */
export function valueOf(
  variable: TemplateVariable,
  selectors: readonly Selector[],
): string | undefined {
  const [value, another] = valuesOf(variable, selectors);
  return another === undefined ? value : undefined;
}

/** Different ones. */
function valuesOf(
  { type, name, key }: TemplateVariable,
  selectors: readonly Selector[],
): readonly string[] {
  const start = key === undefined ? `${name}:` : `${name}:${key}${keySeparator(type, name) ?? ":"}`;
  const values = selectors
    .filter((selector) => selector.type === type && selector.value.startsWith(start))
    .map(({ value }) => value.slice(start.length));
  return [...new Set(values)];
}

/** Whether the server can find the value out by itself, from the API of the workload's cluster. */
export function isServerChecked({ type, name }: TemplateVariable): boolean {
  return type === "k8s" && POD_NAMES.has(name);
}

const TOKEN = "token";
const WORKLOAD_TYPES: ReadonlySet<string> = new Set([
  "k8s",
  "docker",
  "podman",
  "systemd",
  "unix",
  TOKEN,
]);
const POD_NAMES: ReadonlySet<string> = new Set(["ns", "sa", "pod-name", "pod-uid", "pod-label"]);
