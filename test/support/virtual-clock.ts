import type { Clock } from "../../src/base/clock.ts";

interface Pending {
  at: number;
  readonly order: number;
  readonly task: () => void;
}

/** A clock that stands still until told to move; timers fire in order, and promises settle between them. */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  #pending: Pending[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
  }

  nowMs(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): () => void {
    // Whole milliseconds, as the real one has it.
    const entry = { at: Math.ceil(this.#now + Math.max(0, delayMs)), order: this.#order++, task };
    this.#pending.push(entry);
    return () => {
      this.#pending = this.#pending.filter((other) => other !== entry);
    };
  }

  get timers(): number {
    return this.#pending.length;
  }

  /** When the next timer is due; `undefined` without one. */
  get nextMs(): number | undefined {
    return this.#pending.length === 0
      ? undefined
      : Math.max(this.#now, Math.min(...this.#pending.map(({ at }) => at)));
  }

  /** Moves on by `ms`, running each timer at its own instant. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#pending
        .filter((entry) => entry.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#pending = this.#pending.filter((entry) => entry !== next);
      this.#now = Math.max(this.#now, next.at);
      next.task();
    }
    this.#now = end;
    await settle();
  }

  /** Steps the wall clock without running timers, as an operator's `date -s` would. */
  step(ms: number): void {
    this.#now += ms;
  }

  /** Steps the wall clock alone: timers fire when they would have without. */
  jump(ms: number): void {
    this.#now += ms;
    for (const entry of this.#pending) entry.at += ms;
  }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}
