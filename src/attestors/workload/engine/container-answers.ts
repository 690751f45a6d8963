import { orAborted } from "../../../base/abort.ts";
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import { type ContainerSelectors, containerSelectors } from "./container-selectors.ts";
import type { Engine } from "./engine.ts";

/** What an engine said of a container: the same object as before while it says the same. `undefined`: has none such. */
export type ContainerAnswer = ContainerSelectors | undefined;

export interface ContainerAnswersOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Selector type, and what stands before each name. */
  readonly type: string;
  readonly prefix: string;
  /** For one request. Once that was too short, callers wait 250 ms until the engine answers again. Default: 4 s. */
  readonly patienceMs?: number;
  /** Containers to remember. Default: 4096. */
  readonly maxHeld?: number;
}

/**
 * Asks an engine about containers: one request for all who ask about a container at a time, and an answer serves for
 * two seconds. All but the name is fixed for the life of a container, whose id is given to no other, so that the age of
 * an answer matters for `docker rename` and for a container that is new to the engine alone.
 */
export class ContainerAnswers {
  readonly #options: ContainerAnswersOptions;
  readonly #patienceMs: number;
  readonly #held: LruMap<string, Held>;
  readonly #asked = new Map<string, Promise<ContainerAnswer>>();
  /** It took too long and has not answered since. */
  #isLate = false;

  constructor(options: ContainerAnswersOptions) {
    this.#options = options;
    this.#held = new LruMap(options.maxHeld ?? MAX_HELD);
    this.#patienceMs = options.patienceMs ?? DEFAULT_PATIENCE_MS;
  }

  /** The answer when one is held that still serves. */
  fresh(containerId: string): { readonly answer: ContainerAnswer } | undefined {
    const held = this.#held.get(containerId);
    if (held === undefined) return undefined;
    const ageMs = this.#options.clock.nowMs() - held.atMs;
    return ageMs >= 0 && ageMs < SERVES_MS ? held : undefined;
  }

  /** @throws unavailable, unsupported, limited; deadline when the engine takes too long; what the signal is aborted with */
  async ask(containerId: string, signal: AbortSignal): Promise<ContainerAnswer> {
    const held = this.fresh(containerId);
    if (held !== undefined) return held.answer;
    let asked = this.#asked.get(containerId);
    if (asked === undefined) {
      if (this.#asked.size >= MAX_ASKED) {
        throw fail("limited", "too many containers are being asked about; retry");
      }
      asked = this.#ask(containerId).finally(() => this.#asked.delete(containerId));
      asked.catch(() => undefined); // whoever waits is told; they may all have left
      this.#asked.set(containerId, asked);
    }
    if (!this.#isLate) return await orAborted(asked, signal);
    // Whoever has other selectors is not held up each time by an engine that hangs.
    const impatience = new AbortController();
    const cancel = this.#options.clock.after(LATE_PATIENCE_MS, () =>
      impatience.abort(this.#late(LATE_PATIENCE_MS)),
    );
    try {
      return await orAborted(orAborted(asked, impatience.signal), signal);
    } finally {
      cancel();
    }
  }

  async #ask(containerId: string): Promise<ContainerAnswer> {
    const { engine, clock, type, prefix } = this.#options;
    const limit = new AbortController();
    const cancel = clock.after(this.#patienceMs, () => {
      this.#isLate = true;
      limit.abort(this.#late(this.#patienceMs));
    });
    try {
      const details = await engine.inspect(containerId, limit.signal);
      this.#isLate = false;
      const found = details === undefined ? undefined : containerSelectors(type, prefix, details);
      const before = this.#held.get(containerId)?.answer;
      const answer = isSame(before, found) ? before : found;
      this.#held.set(containerId, { answer, atMs: clock.nowMs() });
      return answer;
    } finally {
      cancel();
    }
  }

  #late(ms: number): Error {
    return fail(
      "deadline",
      `the engine at ${this.#options.engine.socket} did not answer within ${ms} ms`,
    );
  }
}

interface Held {
  readonly answer: ContainerAnswer;
  readonly atMs: number;
}

function isSame(a: ContainerAnswer, b: ContainerAnswer): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.selectors.length === b.selectors.length &&
    a.selectors.every(({ value }, index) => value === b.selectors[index]?.value) &&
    a.leftOut.join() === b.leftOut.join()
  );
}

const DEFAULT_PATIENCE_MS = 4000;
const LATE_PATIENCE_MS = 250;
const SERVES_MS = 2000;
const MAX_HELD = 4096;
const MAX_ASKED = 4096;
