import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";

interface Tries {
  left: number;
  atMs: number;
}

/**
 * How many tokens that turn out worthless somebody may show: each costs the server a look, and stands in its audit log.
 * Good ones cost nothing.
 */
export class FailedTries {
  readonly #clock: Clock;
  readonly #shares = new LruMap<string, Tries>(MAX_SHARES);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes one try of this user's, container's or pod's. @throws limited when there is none left */
  take(share: string): void {
    const nowMs = this.#clock.nowMs();
    const { left, atMs } = this.#shares.get(share) ?? { left: BURST, atMs: nowMs };
    const regained = Math.abs(nowMs - atMs) / REGAIN_MS;
    const now = Math.min(BURST, left + regained);
    if (now < 1) {
      throw fail("limited", "too many worthless one-time tokens came from here; try again later");
    }
    this.#shares.set(share, { left: now - 1, atMs: nowMs });
  }

  /** The token was good, or nobody could tell. */
  giveBack(share: string): void {
    const tries = this.#shares.get(share);
    if (tries !== undefined) tries.left = Math.min(BURST, tries.left + 1);
  }
}

const BURST = 10;
const REGAIN_MS = 6000;
const MAX_SHARES = 4096;
