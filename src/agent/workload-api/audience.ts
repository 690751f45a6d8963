import { AssayError, fail } from "../../base/errors.ts";

/** The audiences of a request without empty ones, verbatim. @throws invalid for none, too many or too long ones */
export function checkAudience(audience: readonly string[]): readonly string[] {
  if (audience.length > MAX_AUDIENCES) {
    throw fail("invalid", `more than ${MAX_AUDIENCES} audiences`);
  }
  const given = audience.filter((text) => text !== "");
  if (given.length === 0) throw fail("invalid", "audience is missing");
  if (given.some((text) => text.length > MAX_AUDIENCE_LENGTH)) {
    throw fail("invalid", `an audience is longer than ${MAX_AUDIENCE_LENGTH} characters`);
  }
  return given;
}

/** What the server has against the agent is no affair of the workload's: for it the agent cannot sign just now. */
export function signingFailed(cause: unknown): never {
  throw new AssayError("unavailable", "the JWT-SVID could not be signed; retry", { cause });
}

const MAX_AUDIENCES = 100;
const MAX_AUDIENCE_LENGTH = 4096;
