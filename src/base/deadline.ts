import type { Clock } from "./clock.ts";
import { fail } from "./errors.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** Ends the work as well, with its own reason. */
  readonly signal?: AbortSignal | undefined;
  /** Who is late, for the message: `vault at https://...`. */
  readonly who: string;
}

/**
 * Runs `work` with a signal that ends after the deadline. The work has to take note of its signal; whatever it throws
 * then, the deadline is what is told.
 * @throws deadline; else what `work` throws, or the reason of the signal that was given
 */
export async function withDeadline<T>(
  { clock, deadlineMs, signal, who }: DeadlineOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const cancel = clock.after(deadlineMs, () =>
    late.abort(fail("deadline", `${who} did not answer within ${Math.round(deadlineMs / 1000)} s`)),
  );
  const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
  try {
    both.throwIfAborted();
    return await work(both);
  } catch (thrown) {
    both.throwIfAborted();
    throw thrown;
  } finally {
    cancel();
  }
}
