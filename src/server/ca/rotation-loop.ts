import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import { ClockWatch } from "./clock-watch.ts";

export interface RotationLoopOptions {
  /** Of the loop, and of what it rotates: `WIT authorities`. */
  readonly name: string;
  readonly rotate: () => Promise<void>;
  /** Called in each round, whatever the clock does. */
  readonly onRound?: () => void;
  /** What the log says of a round that failed. */
  readonly failed: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Rotates by the clock, now and every ten seconds, while that is to be believed. */
export function rotationLoop(options: RotationLoopOptions): Loop {
  const { name, rotate, onRound, failed, clock, random, logger } = options;
  const watch = new ClockWatch(clock, logger);
  let waitedMs = 0;
  return new Loop({
    name,
    clock,
    random,
    round: async () => {
      const isSteady = watch.isSteady(waitedMs);
      waitedMs = ROUND_MS;
      onRound?.();
      if (isSteady) await rotate();
      return ROUND_MS;
    },
    backoff: { maxMs: ROUND_MS },
    onError: (error, retryMs) => logger.error(failed, { error, retryMs }),
  });
}

const ROUND_MS = 10_000;
