import type { Clock } from "../../base/clock.ts";

/** When a call that the server denied is a reason to renew the agent's SVID at once, whatever its age. */
export class RenewNow {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Called with each denial. Renewals that come and do not help are not repeated for a while; one that was wanted before
   * and did not come is tried again soon, as somebody is there now who answers.
   * @param isWanted a renewal is due and has not come yet
   */
  isDue(isWanted: boolean): boolean {
    const nowMs = this.#clock.nowMs();
    // Also after the clock was set back.
    const sinceMs = Math.abs(nowMs - this.#lastMs);
    if (sinceMs < (isWanted ? AGAIN_MS : AFRESH_MS)) return false;
    this.#lastMs = nowMs;
    return true;
  }
}

const AGAIN_MS = 1000;
const AFRESH_MS = 30_000;
