import { type AssayError, fail } from "../../base/errors.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { withFieldWords } from "../text/field-words.ts";
import { idText } from "../text/ids.ts";

/** The entry of a batch of one, or its status as an error with the next step. */
export function entryOfBatch(
  result:
    | { readonly status: Status__Output | null; readonly entry: Entry__Output | null }
    | undefined,
): Entry__Output {
  const code = result?.status?.code ?? 0;
  if (result?.entry != null && code === OK) return result.entry;
  const message = withFieldWords(result?.status?.message ?? "the server's answer is empty");
  if (code === ALREADY_EXISTS && result?.entry != null && result.entry.id !== "") {
    throw fail(
      "exists",
      `entry ${result.entry.id} already gives ${idText(result.entry.spiffe_id)} to these selectors; change it with 'assay entry update ${result.entry.id}'`,
    );
  }
  throw statusError(code, message);
}

/** @param subject what the status is about, when the message may not name it */
export function statusError(code: number, message: string): AssayError {
  if (code === NOT_FOUND)
    return fail("not_found", `${message}; 'assay entry list' shows what there is`);
  return fail("invalid", message);
}

export const OK = 0;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
