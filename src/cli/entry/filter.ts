import type { OptionSpec } from "../program/grammar.ts";
import { idMessage } from "../text/ids.ts";
import type { Options } from "../program/options.ts";
import { selectorMessage } from "./fields.ts";

/** Which entries `list` and `count` look at. */
export const FILTER_OPTIONS: readonly OptionSpec[] = [
  { name: "spiffe-id", value: "ID", help: "only entries with this SPIFFE ID" },
  { name: "parent-id", value: "ID", help: "only entries below this parent" },
  {
    name: "selector",
    value: "TYPE:VALUE",
    help: "only entries that have this selector",
    many: true,
  },
  {
    name: "federates-with",
    value: "TD",
    help: "only entries that federate with this trust domain",
    many: true,
  },
  { name: "hint", value: "TEXT", help: "only entries with this hint" },
  { name: "downstream", help: "only entries that may ask for an authority" },
];

/** The `Filter` message; without any option it picks all. */
export function entryFilter(options: Options): object {
  const spiffeId = options.text("spiffe-id");
  const parentId = options.text("parent-id");
  const selectors = options.list("selector").map(selectorMessage);
  const trustDomains = options.list("federates-with");
  const hint = options.text("hint");
  return {
    ...(spiffeId === undefined ? {} : { by_spiffe_id: idMessage(spiffeId, "spiffe-id") }),
    ...(parentId === undefined ? {} : { by_parent_id: idMessage(parentId, "parent-id") }),
    ...(selectors.length === 0 ? {} : { by_selectors: { selectors, match: "MATCH_SUPERSET" } }),
    ...(trustDomains.length === 0
      ? {}
      : { by_federates_with: { trust_domains: trustDomains, match: "MATCH_SUPERSET" } }),
    ...(hint === undefined ? {} : { by_hint: { value: hint } }),
    ...(options.flag("downstream") ? { by_downstream: { value: true } } : {}),
  };
}
