import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { CancelTimer, Clock } from "../../base/clock.ts";
import { trimCode, trimMalloc } from "../../base/libc.ts";

export interface TrimOptions {
  readonly clock: Clock;
  /** Share of the time since it was last asked in which this thread worked. */
  readonly load?: () => number;
  readonly trim?: () => void;
}

/**
 * Trims the heap once, at the first moment with little to do: it takes tens of milliseconds, and a busy process would
 * have to let its young generation grow again. @returns gives up
 */
export function trimWhenIdle(options: TrimOptions): CancelTimer {
  const { clock, load = loadOfThread(), trim = trimHeap } = options;
  const look = (): void => {
    if (load() < IDLE_LOAD) trim();
    else cancel = clock.after(LOOK_MS, look);
  };
  let cancel = clock.after(LOOK_MS, look);
  return () => cancel();
}

function loadOfThread(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

/**
 * Gives back what only the start of a daemon needed: its young generation, which V8 keeps as large as loading a program
 * made it for as long as little happens, what the C library holds free, and Node's own code. Some 30 MB that nobody uses.
 * Functions stay compiled: they are not a megabyte, and the first change after it would wait until all that it needs is
 * compiled again.
 */
export function trimHeap(): void {
  // The one way to a collection that also shrinks: the function exists only while the flag is set.
  setFlagsFromString("--expose-gc");
  setFlagsFromString("--no-flush-bytecode");
  const collect: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collect === "function") collect({ type: "major", flavor: "last-resort" });
  setFlagsFromString("--flush-bytecode");
  trimMalloc();
  trimCode();
}

const LOOK_MS = 10_000;
const IDLE_LOAD = 0.05;
