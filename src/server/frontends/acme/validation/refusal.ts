import { AssayError, fail } from "../../../../base/errors.ts";
import { ACME_ERROR_TYPES, type AcmeErrorType, type AcmeProblem } from "../contract.ts";

/** A challenge that is not met, or must not be: the sentence goes to the ACME client as it stands. */
export function refuse(type: AcmeErrorType, detail: string, cause?: unknown): AssayError {
  return fail("denied", detail, { reason: type, ...(cause === undefined ? {} : { cause }) });
}

/** @returns undefined for what `refuse` did not make */
export function problemOf(thrown: unknown): AcmeProblem | undefined {
  if (!(thrown instanceof AssayError)) return undefined;
  const type = ACME_ERROR_TYPES.find((each) => each === thrown.reason);
  return type === undefined ? undefined : { type, detail: thrown.message };
}

/** What a peer or a DNS server sent, fit to stand in a sentence. */
export function shown(text: string): string {
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return short.replaceAll(/[^\x20-\x7e]/g, "?");
}

const MAX_SHOWN = 200;
