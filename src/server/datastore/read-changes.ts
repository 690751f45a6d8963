import type { Change, ChangeReader } from "./contract.ts";

/**
 * Reads the change feed to its end.
 * @param after the newest revision that the reader has seen
 * @param apply given each group of changes in order, and the revision that the group ends with
 * @returns whether changes are gone that the reader has not seen: it has to load everything anew
 */
export async function readChanges(
  changes: ChangeReader,
  after: number,
  apply: (rows: readonly Change[], revision: number) => Promise<void> | void,
): Promise<boolean> {
  for (let seen = after; ; ) {
    const rows = await changes.since(seen, MAX_ROWS);
    // Asked after reading: rows that are dropped in between are missed.
    if (seen < (await changes.oldest()) - 1) return true;
    const last = rows.at(-1);
    if (last === undefined) return false;
    await apply(rows, last.revision);
    if (rows.length < MAX_ROWS) return false;
    seen = last.revision;
  }
}

const MAX_ROWS = 1000;
