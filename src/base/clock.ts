/** Whole seconds since 1970-01-01T00:00:00Z, as certificates and tokens count time. */
export type EpochSeconds = number;

/** Cancels a timer set by `Clock.after`; safe to call twice. */
export type CancelTimer = () => void;

/**
 * Time as everything above the base takes it: injected, so that tests run in virtual time.
 * Nothing but the composition roots may use `systemClock`, and nothing at all may call `Date.now` or `setTimeout`
 * where a decision about an identity depends on it.
 */
export interface Clock {
  /** Milliseconds since 1970, wall clock; may step. */
  nowMs(): number;
  /** Runs `task` once after `delayMs`; long delays are allowed (they are split above 2^31 ms). */
  after(delayMs: number, task: () => void): CancelTimer;
}

export function epochSeconds(clock: Clock): EpochSeconds {
  return Math.floor(clock.nowMs() / 1000);
}

/** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, task) {
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      const step = Math.min(left, MAX_TIMER_MS);
      timer = setTimeout(() => (left > step ? arm(left - step) : task()), Math.max(0, step));
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};

const MAX_TIMER_MS = 2 ** 31 - 1;
