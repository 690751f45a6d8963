/** `frontends.acme.names` of a server's file: which names accounts may have. Nothing that is not listed. */
import { canonicalAddress, Networks } from "../../base/networks.ts";
import { fail } from "../../base/errors.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import { allOf } from "../settings/problems.ts";
import { type ValueOf, flag, list, section, text } from "../settings/shape.ts";

export const ACME_NAMES = section({
  dns: {
    shape: list(text({ maxLength: 254 }), { most: 4096 }),
    help: "names that certificates may have: a.example.org itself, .example.org all below it, *.example.org that wildcard and what it covers",
    default: [],
  },
  ip: {
    shape: list(text({ maxLength: 64 }), { most: 256 }),
    help: "addresses or networks that certificates may have",
    default: [],
  },
  externalAccountRequired: {
    shape: flag(),
    help: "only accounts that 'assay acme eab create' made a key for",
    default: false,
  },
});

export interface AcmeNamesConfig {
  /** Lower case, as `checkNameRule` left them. */
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly externalAccountRequired: boolean;
}

/** @throws ConfigError, naming the keys */
export function acmeNames(given: ValueOf<typeof ACME_NAMES> | undefined): AcmeNamesConfig {
  return allOf<AcmeNamesConfig>({
    dns: () => (given?.dns ?? []).map((rule) => named("dns", () => checkNameRule(rule))),
    ip: () => (given?.ip ?? []).map((network) => named("ip", () => checkNetwork(network))),
    externalAccountRequired: () => given?.externalAccountRequired ?? false,
  });
}

/** @returns the rule in lower case @throws invalid when no name could ever fit it */
export function checkNameRule(rule: string): string {
  const name = rule.replace(/^\.(?=.)/, "").toLowerCase();
  try {
    checkDnsName(name);
    if (rule.startsWith(".") && name.startsWith("*")) throw fail("invalid", "it is two rules");
    if (isAddress(name)) throw fail("invalid", "it is an address");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "";
    throw fail(
      "invalid",
      `'${rule}' is no rule for names (${why}); write a.example.org, .example.org or *.example.org`,
      { cause },
    );
  }
  return rule.toLowerCase();
}

/** @throws invalid */
export function checkNetwork(text: string): string {
  Networks.parse([text]);
  return text;
}

function isAddress(name: string): boolean {
  try {
    canonicalAddress(name);
    return true;
  } catch {
    // Most names are none.
    return false;
  }
}

function named<T>(key: string, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    throw fail(
      "invalid",
      `frontends.acme.names.${key}: ${cause instanceof Error ? cause.message : ""}`,
      { cause },
    );
  }
}
