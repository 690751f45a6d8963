import type { MissingSelector } from "../../rpc/gen/assay/explain/v1/MissingSelector.ts";
import { type Selector, formatSelector } from "../../spiffe/selector.ts";
import type { Finding } from "../attestation/attestation.ts";

/** The entry's selectors that are not among `has`, which holds them as texts. */
export function missingSelectors(
  selectors: readonly Selector[],
  has: ReadonlySet<string>,
): readonly Selector[] {
  return selectors.filter((selector) => !has.has(formatSelector(selector)));
}

/** Why the process does not have a selector: another value, or none that anybody here could find out. */
export function explainMissing(selector: Selector, findings: readonly Finding[]): MissingSelector {
  const { type, value } = selector;
  const finding = findings.find((candidate) => candidate.type === type);
  const shown = { selector: { type, value } };
  if (finding === undefined) return { ...shown, reason: "UNKNOWN_TYPE" };
  const name = nameOf(value);
  if (!finding.names.includes(name)) return { ...shown, reason: "UNKNOWN_NAME" };
  if (finding.error !== undefined) {
    return { ...shown, reason: "UNREADABLE", detail: finding.error.message };
  }
  const found = finding.selectors.filter((other) => nameOf(other.value) === name);
  if (found.length > 0) {
    return { ...shown, reason: "DIFFERENT_VALUE", found: found.slice(0, MAX_FOUND) };
  }
  const gap = finding.gaps.find(({ names }) => names.includes(name));
  if (gap !== undefined) return { ...shown, reason: "UNREADABLE", detail: gap.reason };
  return { ...shown, reason: "ABSENT" };
}

/** `uid` of `uid:0`. */
function nameOf(value: string): string {
  const colon = value.indexOf(":");
  return colon < 0 ? value : value.slice(0, colon);
}

const MAX_FOUND = 20;
