import type { Clock } from "../base/clock.ts";
import { LruMap } from "../base/lru.ts";
import type { LogFields, Logger } from "./logger.ts";

/**
 * Lines that a caller causes as often as it likes: each key (a user, a remote address) gets so many a minute, and the
 * first line after that says how many were left out. Otherwise any local process could fill the disk.
 */
export class CallerLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #windows = new LruMap<string, Window>(MAX_KEYS);

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  info(key: string | number, message: string, fields: LogFields = {}): void {
    const omitted = this.#take(String(key));
    if (omitted !== undefined) this.#logger.info(message, withOmitted(fields, omitted));
  }

  warn(key: string | number, message: string, fields: LogFields = {}): void {
    const omitted = this.#take(String(key));
    if (omitted !== undefined) this.#logger.warn(message, withOmitted(fields, omitted));
  }

  /** How many lines were left out before this one; `undefined` when this one is left out too. */
  #take(key: string): number | undefined {
    const now = this.#clock.nowMs();
    const held = this.#windows.get(key);
    if (held === undefined || Math.abs(now - held.sinceMs) >= WINDOW_MS) {
      this.#windows.set(key, { sinceMs: now, lines: 1, omitted: 0 });
      return held?.omitted ?? 0;
    }
    if (held.lines >= LINES_PER_WINDOW) {
      held.omitted += 1;
      return undefined;
    }
    held.lines += 1;
    return 0;
  }
}

interface Window {
  readonly sinceMs: number;
  lines: number;
  omitted: number;
}

function withOmitted(fields: LogFields, omitted: number): LogFields {
  return omitted === 0 ? fields : { ...fields, omittedLines: omitted };
}

const WINDOW_MS = 60_000;
const LINES_PER_WINDOW = 30;
const MAX_KEYS = 1000;
