/** Items of a batch: one status each. */
import { type AssayError, fail } from "../../base/errors.ts";
import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { EXIT_FAILURE } from "../program/command.ts";
import { withFieldWords } from "./field-words.ts";
import type { Output } from "../program/output.ts";

/**
 * An item's status as an error with the next step.
 * @param listedBy the command that shows what there is
 */
export function itemError(
  status: Status__Output | null | undefined,
  listedBy?: string,
): AssayError | undefined {
  const { code, message: said } = status ?? { code: -1, message: "the server's answer is empty" };
  if (code === OK) return undefined;
  const message = withFieldWords(said);
  if (code !== NOT_FOUND || listedBy === undefined) return fail("invalid", message);
  return fail("not_found", `${message}; '${listedBy}' shows what there is`);
}

/** @throws when the item failed */
export function checkItem(status: Status__Output | null | undefined, listedBy?: string): void {
  const error = itemError(status, listedBy);
  if (error !== undefined) throw error;
}

/** Prints which trust domains' items were deleted, and notes the others. @returns the exit code */
export function deletedEach(
  output: Output,
  results: readonly { readonly status: Status__Output | null; readonly trust_domain: string }[],
  listedBy: string,
): number | undefined {
  const outcomes = results.map(({ status, trust_domain: trustDomain }) => ({
    trustDomain,
    error: itemError(status, listedBy),
  }));
  const deleted = outcomes.filter(({ error }) => error === undefined);
  output.data(
    deleted.map(({ trustDomain }) => ({ trustDomain })),
    () => deleted.map(({ trustDomain }) => `deleted ${trustDomain}`),
  );
  for (const { trustDomain, error } of outcomes) {
    if (error !== undefined) output.note(`assay: ${trustDomain}: ${error.message}`);
  }
  return deleted.length === outcomes.length ? undefined : EXIT_FAILURE;
}

const OK = 0;
const NOT_FOUND = 5;
