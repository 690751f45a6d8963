import type { Clock } from "./clock.ts";

/** A time in which something is not to be done; none at first. */
export class Pause {
  readonly #clock: Clock;
  #beganMs = 0;
  #lastsMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds; 0 = it is over. A clock that was set back ends it. */
  get leftMs(): number {
    const passedMs = this.#clock.nowMs() - this.#beganMs;
    return passedMs < 0 ? 0 : Math.max(0, this.#lastsMs - passedMs);
  }

  /** From now on, in place of what was left of another. */
  begin(lastsMs: number): void {
    this.#beganMs = this.#clock.nowMs();
    this.#lastsMs = lastsMs;
  }

  end(): void {
    this.#lastsMs = 0;
  }
}
