import { fail } from "../../base/errors.ts";

/**
 * The audiences of a token, verbatim: empty ones are dropped, as SPIRE does, and nothing else is changed, for some
 * validators demand each one they asked for (JWT-SVID §3.2).
 * @throws invalid when none is left or a bound is passed
 */
export function checkAudience(audience: readonly string[]): readonly string[] {
  const named = audience.filter((name) => name !== "");
  if (named.length === 0) throw fail("invalid", "audience is missing; name at least one");
  if (named.length > MAX_AUDIENCES) {
    throw fail("invalid", `more than ${MAX_AUDIENCES} audiences; ask for several tokens`);
  }
  let bytes = 0;
  for (const name of named) {
    if (!name.isWellFormed()) throw fail("invalid", "audience is not valid unicode");
    bytes += Buffer.byteLength(name, "utf8");
  }
  if (bytes > MAX_AUDIENCE_BYTES) {
    throw fail("invalid", `audiences are longer than ${MAX_AUDIENCE_BYTES} bytes together`);
  }
  return named;
}

const MAX_AUDIENCES = 64;
const MAX_AUDIENCE_BYTES = 4096;
