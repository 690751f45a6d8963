/** Why a process is no member of the family that an entry's template names. */
import { unfilledVariables } from "../../attestors/template-values.ts";
import { fail } from "../../base/errors.ts";
import type { UnfilledVariable } from "../../rpc/gen/assay/explain/v1/UnfilledVariable.ts";
import { IdTemplate } from "../../spiffe/id-template.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Finding } from "../attestation/attestation.ts";
import type { Entry } from "../cache/entry.ts";
import { POD_VARIABLES, memberOf } from "../cache/members.ts";
import { explainMissing } from "./selector-mismatch.ts";

/** Whether the template is what keeps the entry from the process. */
export function isUnfilled(entry: Entry, selectors: readonly Selector[]): boolean {
  return entry.template !== undefined && memberOf(entry, selectors) === undefined;
}

/** Each variable without a value that fits, and of those by which the server finds the pod the ones that are missing. */
export function explainUnfilled(
  { template, spiffeId }: Entry,
  selectors: readonly Selector[],
  findings: readonly Finding[],
): UnfilledVariable[] {
  if (template === undefined) throw fail("internal", "the entry has no template");
  const { variables } = IdTemplate.parse(template.id, spiffeId);
  const own = unfilledVariables(variables, selectors);
  const named = new Set(variables.map(({ text }) => text));
  // Of them the path segment is not asked for.
  const pod = template.trustAgent
    ? []
    : unfilledVariables(
        POD_VARIABLES.filter(({ text }) => !named.has(text)),
        selectors,
      ).filter(({ reason }) => reason !== "no_segment");
  const all = [
    ...own.map((each) => ({ ...each, isOfPod: false })),
    ...pod.map((each) => ({ ...each, isOfPod: true })),
  ];
  return all.map(({ variable, reason, found, isOfPod }) => {
    const { type, name, text } = variable;
    const why =
      reason === "no_value" ? explainMissing({ type, value: `${name}:` }, findings) : undefined;
    return {
      variable: text,
      reason: REASONS[reason],
      found: found.slice(0, MAX_FOUND),
      // The attestor may well have found others of that name, by other keys.
      missing_reason: why?.reason === "DIFFERENT_VALUE" ? "ABSENT" : (why?.reason ?? "ABSENT"),
      detail: why?.detail ?? "",
      names_pod: isOfPod,
    };
  });
}

const REASONS = {
  no_value: "NO_VALUE",
  several_values: "SEVERAL_VALUES",
  no_segment: "NO_SEGMENT",
} as const;
const MAX_FOUND = 20;
