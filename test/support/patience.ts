/**
 * How long a test waits for what has to come: only what hangs takes so long. It says nothing about speed, which is
 * bench/'s to say; a machine may be slow, or busy with something else.
 */
export const PATIENCE_MS = 300_000;

/** Looks until it holds. @throws when it does not within that time */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  everyMs = 20,
): Promise<void> {
  const late = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > late) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Tries again until it does not throw. @throws what it threw last, as the cause, when it does within that time */
export async function untilDone<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  const late = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (performance.now() > late) {
        throw new Error(`${what}: not within ${PATIENCE_MS} ms`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
