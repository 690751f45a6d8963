import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../observe/logger.ts";

/**
 * Whether the wall clock is to be believed. One that jumps may jump back: authorities that took over meanwhile would
 * begin in the future or have ended, those of before would have lost their keys, and agents that heard of neither could
 * not come back. So a jump is waited out for a minute.
 */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #lastMs: number;
  /** How far the clock is off from where timers would have it; 0 once that is believed. */
  #offMs = 0;
  #untilMs = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#lastMs = clock.nowMs();
  }

  /** @param passedMs by timers since the last look. @returns false while it is better to wait */
  isSteady(passedMs: number): boolean {
    const now = this.#clock.nowMs();
    const jumpMs = now - this.#lastMs - passedMs;
    this.#lastMs = now;
    if (Math.abs(jumpMs) > MAX_DRIFT_MS) {
      this.#offMs += jumpMs;
      this.#untilMs = now + WAIT_MS;
      if (Math.abs(this.#offMs) <= MAX_DRIFT_MS) {
        this.#logger.warn("the clock is back; authorities go on as before");
        this.#offMs = 0;
      } else {
        this.#logger.error("the clock jumped; authorities are left alone for a while", {
          seconds: Math.round(this.#offMs / 1000),
          waitSeconds: WAIT_MS / 1000,
        });
      }
    }
    if (this.#offMs === 0) return true;
    if (now < this.#untilMs) return false;
    this.#logger.warn("the clock stays where it jumped to and is believed now");
    this.#offMs = 0;
    return true;
  }
}

/** Far above what a busy machine or a slow disk holds up a round. */
const MAX_DRIFT_MS = 5 * 60_000;
const WAIT_MS = 60_000;
