import { type Clock, sleep } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";

export interface NextRequestOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/**
 * The next message of a client's stream; undefined when the client has said its last.
 * @throws deadline when none comes in time; unavailable when the server stops first; cancelled with the call
 */
export async function nextRequest<T>(
  requests: AsyncIterator<T>,
  { clock, timeoutMs, stopping }: NextRequestOptions,
): Promise<T | undefined> {
  const over = new AbortController();
  const silence = sleep(clock, timeoutMs, AbortSignal.any([over.signal, stopping])).then(
    () => {
      throw fail("deadline", `no message came within ${timeoutMs / 1000} s`);
    },
    (thrown) => {
      if (stopping.aborted) throw fail("unavailable", "the server is stopping");
      throw errorFrom(thrown);
    },
  );
  silence.catch(() => undefined); // lost the race: nobody waits for it any more
  try {
    const next = await Promise.race([requests.next(), silence]);
    return next.done === true ? undefined : next.value;
  } finally {
    over.abort();
  }
}
