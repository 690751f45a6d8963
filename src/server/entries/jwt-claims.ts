/** The claims that an entry adds to its JWT-SVIDs, with the values that the server knows by itself. */
import { valueOf } from "../../attestors/template-values.ts";
import { fail } from "../../base/errors.ts";
import type { JwtClaims } from "../../jwt/compact.ts";
import { ClaimTemplates } from "../../spiffe/claim-templates.ts";
import { IdTemplate, parseVariable } from "../../spiffe/id-template.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { EntryRecord } from "../datastore/contract.ts";

/**
 * Refuses claims that no token could be given: what a variable stands for must follow from the entry alone, or be a
 * variable of its template.
 * @throws invalid, naming the claim or the variable
 */
export function checkJwtClaims(entry: EntryRecord): void {
  const { jwtClaims = "", template } = entry;
  if (jwtClaims === "") return;
  const claims = ClaimTemplates.parse(jwtClaims);
  const family = template === undefined ? undefined : IdTemplate.parse(template.id, entry.spiffeId);
  const member =
    family === undefined ? entry : { ...entry, spiffeId: family.fill(() => "x").toString() };
  for (const variable of claims.variables) {
    if (family?.variables.some(({ text }) => text === variable) === true) continue;
    if (factOf(member, variable) !== undefined) continue;
    throw fail(
      "invalid",
      `jwt claims: there is no value for {{${variable}}}; it is one of the entry's selectors as {{type.name}}, ${FACTS}${family === undefined ? "" : ", or a variable of its template"}`,
    );
  }
}

/**
 * Before a family's entry becomes one member's.
 * @param values of the template's variables; path segments, which need no escape in JSON
 */
export function withMemberValues(jwtClaims: string, values: ReadonlyMap<string, string>): string {
  let filled = jwtClaims;
  for (const [variable, value] of values) filled = filled.replaceAll(`{{${variable}}}`, value);
  return filled;
}

/** @throws denied when a variable stands for nothing; invalid when another version stored what this one refuses */
export function jwtClaimsOf(entry: EntryRecord): JwtClaims {
  const { jwtClaims = "" } = entry;
  if (jwtClaims === "") return {};
  return ClaimTemplates.parse(jwtClaims).fill((variable) => factOf(entry, variable));
}

function factOf(entry: EntryRecord, variable: string): string | undefined {
  const { id, spiffeId, hint, selectors } = entry;
  switch (variable) {
    case "spiffe_id":
      return spiffeId;
    case "entry_id":
      return id;
    case "hint":
      return hint === "" ? undefined : hint;
    case "trust_domain":
      return SpiffeId.parse(spiffeId).trustDomain.name;
    case "path":
      return SpiffeId.parse(spiffeId).path;
    default:
  }
  const segment = /^path\.([1-9]\d?)$/.exec(variable)?.[1];
  if (segment !== undefined) return SpiffeId.parse(spiffeId).path.split("/")[Number(segment)];
  const parsed = parseVariable(variable);
  return parsed && valueOf(parsed, selectors);
}

const FACTS = "spiffe_id, trust_domain, path, path.1 and on, hint or entry_id";
