/** Places for clusters on one machine: what a cluster's networks, interfaces and cgroups are named by. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../support/one-at-a-time.ts";

export interface Slot extends AsyncDisposable {
  /** 0 to 9. */
  readonly number: number;
  /** Says whose the slot is, for whoever finds it when this process was killed. */
  keepNote(dir: string): void;
}

/**
 * A slot that nobody has, for as long as this process lives.
 * @param takeDown what a run that was killed has left behind in a slot, with the folder of its cluster
 * @throws when all are taken
 */
export async function freeSlot(
  takeDown: (slot: number, dir: string) => Promise<void>,
): Promise<Slot> {
  for (let number = 0; number < SLOTS; number += 1) {
    // deploy/examples/kubernetes/run takes the same locks.
    const lock = await tryLock(join(PLACE, `${number}.lock`));
    if (lock === undefined) continue;
    const note = join(PLACE, String(number));
    const left = existsSync(note) ? readFileSync(note, "utf8") : "";
    if (left !== "" && existsSync(left)) await takeDown(number, left);
    // One that an example was told to leave running, by hand perhaps.
    if (existsSync(`/sys/class/net/kbr${number}`)) {
      await lock[Symbol.asyncDispose]();
      continue;
    }
    return {
      number,
      keepNote: (dir) => writeFileSync(note, dir),
      [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
    };
  }
  throw new Error(`${SLOTS} clusters stand on this machine; take one down (see ${PLACE})`);
}

const SLOTS = 10;
const PLACE = "/run/assay-clusters";
