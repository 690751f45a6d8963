import type { Test } from "tap";
import type { ErrorKind } from "../../src/base/errors.ts";

export interface Refusal {
  readonly kind?: ErrorKind;
  readonly reason?: string;
  readonly message?: RegExp;
}

/** Asserts that the promise rejects with an error of this kind, reason and text. */
export async function refused(
  t: Test,
  work: Promise<unknown>,
  expected: Refusal,
  name = "is refused",
): Promise<void> {
  const outcome = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (outcome === undefined) t.fail(`${name}: nothing was thrown`);
  else t.match(outcome, expected, name);
}
