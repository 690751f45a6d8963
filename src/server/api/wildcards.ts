import { fail } from "../../base/errors.ts";

/** A wildcard beside a name that it covers would say the same twice. @throws invalid */
export function checkWildcards(dnsNames: readonly string[]): void {
  const wildcards = new Set(dnsNames.filter((name) => name.startsWith("*.")));
  for (const name of dnsNames) {
    const dot = name.indexOf(".");
    if (dot < 0 || name.startsWith("*.")) continue;
    if (wildcards.has(`*${name.slice(dot)}`)) {
      throw fail("invalid", `DNS name '${name}' is covered by the wildcard beside it`);
    }
  }
}
