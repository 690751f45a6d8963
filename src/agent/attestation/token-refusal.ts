import { type AssayError, fail, isKind } from "../../base/errors.ts";

/**
 * What a workload is told of its refused token: the rule that the token broke, as it has the token itself; nothing of
 * why it could not be checked, which is between the agent and the issuer.
 */
export function tokenRefusal(error: AssayError): AssayError {
  if (isKind(error, "invalid", "denied")) {
    return fail("unauthenticated", error.message, { cause: error });
  }
  if (isKind(error, "limited")) return error;
  return fail("unavailable", "the token cannot be checked now; retry", { cause: error });
}
