import type { Clock } from "../../base/clock.ts";
import type { Cache } from "../cache/cache.ts";
import { HOLD_MS, notReady } from "./follow.ts";

/** Waits for the first sync, but not for ever. @throws unavailable; the signal's reason */
export async function whenSynced(cache: Cache, clock: Clock, signal: AbortSignal): Promise<void> {
  if (cache.synced) return;
  const hold = new AbortController();
  const cancel = clock.after(HOLD_MS, () => hold.abort(notReady(cache)));
  try {
    await cache.whenSynced(AbortSignal.any([signal, hold.signal]));
  } finally {
    cancel();
  }
}
