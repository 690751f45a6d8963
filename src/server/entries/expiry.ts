import type { EpochSeconds } from "../../base/clock.ts";
import type { EntryRecord } from "../datastore/contract.ts";

/** True from the second `expiresAt` on: the entry authorizes nothing any more, whether or not it is pruned yet. */
export function isExpired(entry: EntryRecord, now: EpochSeconds): boolean {
  return entry.expiresAt !== 0 && entry.expiresAt <= now;
}
