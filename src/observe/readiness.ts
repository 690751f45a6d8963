import { type Clock, sleep } from "../base/clock.ts";
import { errorFrom } from "../base/errors.ts";

/** Something without which a process is of no use. */
export interface ReadinessCheck {
  /** One word or two, such as `datastore`. */
  readonly name: string;
  /** Resolves with what is missing, or undefined; may throw it. */
  readonly missing: (signal: AbortSignal) => Promise<string | undefined> | string | undefined;
  /** Worth knowing, and no reason to send nobody here: the process is ready without it. */
  readonly isAdvice?: true;
}

export interface CheckResult {
  readonly name: string;
  /** Undefined when all is well. */
  readonly missing: string | undefined;
  readonly isAdvice?: true;
}

/** Whether a process can do its work. Anyone may ask, so that an answer holds for a moment. */
export class Readiness {
  readonly #checks: ReadinessCheck[];
  readonly #clock: Clock;
  #held: { readonly atMs: number; readonly results: Promise<readonly CheckResult[]> } | undefined;

  constructor(clock: Clock, checks: readonly ReadinessCheck[]) {
    this.#clock = clock;
    this.#checks = [...checks];
  }

  /** For what is started later. */
  add(check: ReadinessCheck): void {
    this.#checks.push(check);
    this.#held = undefined;
  }

  results(): Promise<readonly CheckResult[]> {
    const now = this.#clock.nowMs();
    if (this.#held === undefined || Math.abs(now - this.#held.atMs) >= HOLDS_MS) {
      this.#held = {
        atMs: now,
        results: Promise.all(this.#checks.map((check) => ask(check, this.#clock))),
      };
    }
    return this.#held.results;
  }

  async isReady(): Promise<boolean> {
    return isReady(await this.results());
  }
}

export function isReady(results: readonly CheckResult[]): boolean {
  return results.every(({ missing, isAdvice }) => missing === undefined || isAdvice === true);
}

async function ask(
  { name, missing, isAdvice }: ReadinessCheck,
  clock: Clock,
): Promise<CheckResult> {
  const advice = isAdvice === undefined ? {} : { isAdvice };
  const over = new AbortController();
  const late = sleep(clock, DEADLINE_MS, over.signal).then(
    () => `no answer within ${DEADLINE_MS / 1000} s`,
    () => undefined, // it answered first
  );
  try {
    return { name, ...advice, missing: await Promise.race([missing(over.signal), late]) };
  } catch (thrown) {
    return { name, ...advice, missing: errorFrom(thrown).message };
  } finally {
    over.abort();
  }
}

const HOLDS_MS = 500;
const DEADLINE_MS = 2000;
