/** RFC 8659, with the parameters of RFC 8657. */
import type { ChallengeType } from "../contract.ts";
import type { CaaProperty, Lookups } from "./lookups.ts";
import { refuse, shown } from "./refusal.ts";

export interface CaaParams {
  /** Without `*.`. */
  readonly name: string;
  readonly wildcard: boolean;
  readonly challenge: ChallengeType;
  readonly accountUri: string;
  /** This server's names, lower case. */
  readonly identities: readonly string[];
}

/** @throws refuse: `caa` when the records forbid it, `dns` when they cannot be had, which forbids it as well */
export async function checkCaa(params: CaaParams, lookups: Pick<Lookups, "caa">): Promise<void> {
  const labels = params.name.split(".");
  for (let i = 0; i < labels.length; i++) {
    const at = labels.slice(i).join(".");
    const properties = await lookups.caa(at);
    if (properties.length === 0) continue;
    const fault = caaFault(properties, params);
    if (fault === undefined) return;
    throw refuse("caa", `the CAA records of ${at} ${fault}`);
  }
}

/**
 * @param properties of one record set, the one that counts
 * @returns the rule broken, as the end of a sentence about the records
 */
export function caaFault(
  properties: readonly CaaProperty[],
  params: Omit<CaaParams, "name">,
): string | undefined {
  const strange = properties.find(({ critical, tag }) => critical && !KNOWN_TAGS.has(tag));
  if (strange !== undefined) {
    return `have a critical property that is not known here: ${shown(strange.tag)}`;
  }
  const wild = properties.filter(({ tag }) => tag === "issuewild");
  const relevant =
    params.wildcard && wild.length > 0 ? wild : properties.filter(({ tag }) => tag === "issue");
  // RFC 8659 §4.3: without an issue property (or issuewild, for a wildcard) anyone may.
  if (relevant.length === 0) return undefined;
  if (relevant.some(({ value }) => allows(value, params))) return undefined;
  return `do not allow ${params.identities[0] ?? "this server"} to issue${params.wildcard ? " wildcards" : ""} for this account by ${params.challenge}`;
}

function allows(value: string, params: Omit<CaaParams, "name">): boolean {
  const parsed = parseIssue(value);
  if (parsed === undefined || !params.identities.includes(parsed.domain)) return false;
  const { parameters } = parsed;
  const uris = parameters.filter(([tag]) => tag === "accounturi");
  // RFC 8657 §3: more than one, or one that differs, is none of ours.
  if (uris.length > 1 || uris.some(([, uri]) => uri !== params.accountUri)) return false;
  const methods = parameters.filter(([tag]) => tag === "validationmethods");
  if (methods.length > 1) return false;
  return methods.every(([, list]) => list.split(",").includes(params.challenge));
}

interface Issue {
  /** Lower case; empty: nobody. */
  readonly domain: string;
  readonly parameters: readonly (readonly [tag: string, value: string])[];
}

/** The `issue-value` of RFC 8659 §4.2; undefined for anything else, which allows nobody. */
function parseIssue(value: string): Issue | undefined {
  // Whoever has the zone chooses it: 60 KB of blanks kept the pattern below busy for seconds.
  if (value.length > MAX_VALUE) return undefined;
  const [domain = "", ...rest] = value.split(";").map((part) => part.replace(WHITE, ""));
  if (domain !== "" && !DOMAIN.test(domain)) return undefined;
  const parameters: (readonly [string, string])[] = [];
  for (const part of rest) {
    // `;` alone, and at the end, stands in many zones.
    if (part === "") continue;
    const [, tag, given] = PARAMETER.exec(part) ?? [];
    if (tag === undefined || given === undefined) return undefined;
    parameters.push([tag.toLowerCase(), given]);
  }
  return { domain: domain.toLowerCase(), parameters };
}

const KNOWN_TAGS: ReadonlySet<string> = new Set(["issue", "issuewild", "iodef"]);
/** A domain, the URL of an account and the names of challenges, with room. */
const MAX_VALUE = 1024;
const WHITE = /^[ \t]+|[ \t]+$/g;
const DOMAIN =
  /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
const PARAMETER = /^([A-Za-z0-9]+)[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)$/;
