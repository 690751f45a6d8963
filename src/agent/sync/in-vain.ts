import type { Clock } from "../../base/clock.ts";
import { Pause } from "../../base/pause.ts";
import type { Logger } from "../../observe/logger.ts";
import { type Entry, entryVersion } from "../cache/entry.ts";

/**
 * Entries whose SVIDs were replaced, and are to be replaced once more as soon as they are there: the server still signs
 * with an authority that is tainted or gone, or a clock jumps. They are tried again after pauses that grow, while all
 * others go on.
 */
export class InVain {
  readonly #logger: Logger;
  readonly #pause: Pause;
  #pauseMs = 0;
  /** What was replaced last, until it is known whether it is due again. */
  #replaced: readonly Entry[] = [];
  /** Those that wait, as versions by entry id: no more than there are SVIDs. */
  readonly #waiting = new Map<string, string>();

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#logger = logger;
    this.#pause = new Pause(clock);
  }

  /** To be told what was replaced, and then to be asked at once what is due now. */
  replaced(entries: readonly Entry[]): void {
    this.#replaced = entries;
  }

  /** Those of all that are to be replaced which need not wait. */
  pick(due: readonly Entry[]): readonly Entry[] {
    const replaced = this.#replaced;
    this.#replaced = [];
    if (due.length === 0) {
      this.reset();
      return due;
    }
    if (this.#pause.leftMs === 0) this.#waiting.clear();
    if (replaced.length > 0) {
      const again = new Map(due.map((entry) => [entry.id, entryVersion(entry)]));
      this.#wait(replaced.filter((entry) => again.get(entry.id) === entryVersion(entry)));
    }
    if (this.#waiting.size === 0) return due;
    return due.filter((entry) => this.#waiting.get(entry.id) !== entryVersion(entry));
  }

  /** What kept them from being replaced may be over. */
  reset(): void {
    this.#replaced = [];
    this.#waiting.clear();
    this.#pause.end();
    this.#pauseMs = 0;
  }

  #wait(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    if (this.#waiting.size === 0) {
      this.#pauseMs = Math.min(MAX_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs));
      this.#logger.warn(
        "SVIDs signed just now are to be replaced again: the server still signs with an authority that is tainted or gone, or a clock jumps",
        { spiffeId: entries[0]?.spiffeId, retryMs: this.#pauseMs },
      );
    }
    for (const entry of entries) this.#waiting.set(entry.id, entryVersion(entry));
    // Of thousands the first wait until the last have been made.
    this.#pause.begin(this.#pauseMs);
  }
}

const FIRST_PAUSE_MS = 5000;
const MAX_PAUSE_MS = 60_000;
