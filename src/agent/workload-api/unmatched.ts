import { fail } from "../../base/errors.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Attestation } from "../attestation/attestation.ts";
import { noIdentity } from "./follow.ts";

/**
 * Why a caller that no entry matches gets nothing. Clients such as java-spiffe never ask again once they are denied: only
 * a caller that is fully known is.
 */
export function unmatched(attestation: Attestation, selectors: readonly Selector[]): Error {
  const { isIncomplete, refusal } = attestation.notesOn(selectors);
  if (isIncomplete) return fail("unavailable", "the calling process is not fully known yet; retry");
  return refusal ?? noIdentity();
}
