/** Commands as `spire-server` and `spire-agent` (1.15) call them, where ours have other words. */

/**
 * @param args a command line of which no command of ours is known, or `agent` with a word
 * @returns the words that are SPIRE's, and our command line in their place; undefined where SPIRE has none such
 */
export function spireCommand(
  args: readonly string[],
): { readonly words: string; readonly ours: string } | undefined {
  const isNamed = PROGRAMS.has(args[0] ?? "");
  const words = isNamed ? args.slice(1) : args;
  for (let many = 3; many > 0; many -= 1) {
    const name = words.slice(0, many).join(" ");
    const ours = words.length < many ? undefined : NAMES.get(name);
    if (ours !== undefined)
      return { words: args.slice(0, isNamed ? many + 1 : many).join(" "), ours };
  }
  return undefined;
}

const PROGRAMS: ReadonlySet<string> = new Set(["spire-server", "spire-agent"]);

const NAMES: ReadonlyMap<string, string> = new Map([
  ...["list", "count", "show", "ban", "evict", "purge"].map(
    (word) => [`agent ${word}`, `agents ${word}`] as const,
  ),
  ["api fetch", "fetch x509"],
  ["api fetch x509", "fetch x509"],
  ["api fetch jwt", "fetch jwt"],
  ["api watch", "watch"],
  ["api validate jwt", "validate jwt"],
  ["bundle count", "bundle list"],
  ["healthcheck", "health"],
  ["validate", "config validate"],
  ...["get", "set", "reset"].map((word) => [`logger ${word}`, "log-level"] as const),
  ...["x509", "jwt"].flatMap((kind) =>
    ["show", "prepare", "activate", "taint", "revoke"].map(
      (step) => [`localauthority ${kind} ${step}`, `authority ${kind} ${step}`] as const,
    ),
  ),
]);
