import { isOwnSelectorType } from "../../attestors/selector-types.ts";
import { parseSelector } from "../../spiffe/selector.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { idMessage } from "../text/ids.ts";
import type { Options } from "../program/options.ts";

/** The fields of an entry that `create` and `update` share. */
export const FIELD_OPTIONS: readonly OptionSpec[] = [
  {
    name: "x509-ttl",
    value: "DURATION",
    help: "life of its X.509-SVIDs",
    fallback: "the server's",
  },
  { name: "jwt-ttl", value: "DURATION", help: "life of its JWT-SVIDs", fallback: "the server's" },
  { name: "dns-name", value: "NAME", help: "DNS name in its X.509-SVIDs", many: true },
  {
    name: "federates-with",
    value: "TD",
    help: "foreign trust domain whose bundle the workload sees; '*' for every one",
    many: true,
  },
  { name: "hint", value: "TEXT", help: "tells a workload with several SVIDs which is which" },
  { name: "expires-at", value: "TIME", help: "end of the entry, such as 2030-01-31T12:00:00Z" },
];

export const STRICT_OPTION: OptionSpec = {
  name: "strict",
  help: "refuse selector types that are not Assay's own",
};

export const RIGHTS = [
  ["admin", "may administer the server over its TLS port"],
  ["downstream", "may ask for an intermediate authority"],
  ["store-svid", "the agent puts the SVID into a store instead of serving it"],
  ["no-x509-prefetch", "the agent makes the X.509-SVID when first asked"],
  ["jwt-jti", "JWT-SVIDs carry a jti claim"],
] as const;

/** What of an `Entry` message the options say; fields that were not given are absent. */
export function entryFields(options: Options): Record<string, unknown> {
  const spiffeId = options.text("spiffe-id");
  const parentId = options.text("parent-id");
  const selectors = options.list("selector").map(selectorMessage);
  if (options.flag("strict")) selectors.forEach(requireOwnType);
  const expiresAt = options.text("expires-at");
  const hint = options.text("hint");
  const seconds = (name: string, field: string): Record<string, number> => {
    const value = options.seconds(name);
    return value === undefined ? {} : { [field]: value };
  };
  const list = (name: string, field: string): Record<string, readonly string[]> =>
    options.list(name).length === 0 ? {} : { [field]: options.list(name) };
  return {
    ...(spiffeId === undefined ? {} : { spiffe_id: idMessage(spiffeId, "spiffe-id") }),
    ...(parentId === undefined ? {} : { parent_id: idMessage(parentId, "parent-id") }),
    ...(selectors.length === 0 ? {} : { selectors }),
    ...seconds("x509-ttl", "x509_svid_ttl"),
    ...seconds("jwt-ttl", "jwt_svid_ttl"),
    ...list("dns-name", "dns_names"),
    ...list("federates-with", "federates_with"),
    ...(hint === undefined ? {} : { hint }),
    ...(expiresAt === undefined ? {} : { expires_at: timeSeconds(expiresAt) }),
  };
}

export function selectorMessage(text: string): { type: string; value: string } {
  try {
    return { ...parseSelector(text) };
  } catch (error) {
    throw new UsageError(`--selector: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** For `--strict`: what nobody here knows may be a typing mistake. @throws UsageError */
export function requireOwnType({ type, value }: { type: string; value: string }): void {
  if (isOwnSelectorType(type)) return;
  throw new UsageError(
    `selector '${type}:${value}': type '${type}' is none of Assay's own; leave --strict out if another program's attestor emits it`,
  );
}

function timeSeconds(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new UsageError(`--expires-at: '${text}' is no time; write it as 2030-01-31T12:00:00Z`);
  }
  return Math.floor(ms / 1000);
}
