/** Which authority set signs what a front end hands out, and by which profile: what its section may name. */
import { fail } from "../../base/errors.ts";
import { TRUST_DOMAIN_SET } from "../own-sets.ts";

/** What the rest of the file has. */
export interface KnownSigning {
  /** Without the trust domain's own. */
  readonly sets: ReadonlyMap<string, { readonly profiles: readonly string[] }>;
  readonly profiles: ReadonlyMap<string, unknown>;
}

/** @param where the section. @throws invalid when there is no such set */
export function knownSet(set: string, { sets }: KnownSigning, where: string): string {
  if (set === TRUST_DOMAIN_SET || sets.has(set)) return set;
  throw fail("invalid", `${where}.set: authoritySets has no ${set}; name it there`);
}

/** The trust domain's own signs by every profile; so does one that is not there, which `knownSet` refuses. */
export function signs(set: string, profile: string, { sets }: KnownSigning): boolean {
  return sets.get(set)?.profiles.includes(profile) ?? true;
}

/** @param where the key. @throws invalid when there is no such profile, or the set does not sign by it */
export function signedProfile(
  profile: string,
  set: string,
  known: KnownSigning,
  where: string,
): string {
  if (!known.profiles.has(profile)) {
    throw fail("invalid", `${where}: there is no certificate profile ${profile}`);
  }
  if (signs(set, profile, known)) return profile;
  throw fail(
    "invalid",
    `${where}: authority set ${set} does not sign ${profile}; add it to the set's profiles`,
  );
}
