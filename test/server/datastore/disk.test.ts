import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { fail } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { WalFlush } from "../../../src/server/datastore/sqlite/wal-flush.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";
import { sampleEntry } from "./samples.ts";

const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
t.teardown(() => rmSync(folder, { recursive: true }));
let count = 0;

function newPath(): string {
  count += 1;
  return join(folder, String(count), "server.db");
}

/** A datastore whose every flush ends by hand. */
async function slowDisk(clock: VirtualClock) {
  const flushes: PromiseWithResolvers<void>[] = [];
  const flush = (): Promise<void> => {
    const asked = Promise.withResolvers<void>();
    flushes.push(asked);
    return asked.promise;
  };
  const store = await openSqliteDatastore({
    path: newPath(),
    clock,
    logger: silentLogger,
    openFlush: async () => ({ flush, [Symbol.asyncDispose]: async () => undefined }),
  });
  return { store, flushes };
}

t.test("nothing is acknowledged or announced before it is on the disk", async (t) => {
  const { store, flushes } = await slowDisk(new VirtualClock());
  const told: string[] = [];
  store.onCommit((revision) => told.push(`revision ${revision}`));
  const write = (id: string): Promise<unknown> =>
    store.transaction(({ entries }) => entries.create(sampleEntry(id)));
  const first = write("a").then(() => told.push("a"));
  await settle();
  t.equal(flushes.length, 1);
  // The disk keeps nobody from the next commit.
  const second = write("b").then(() => told.push("b"));
  await settle();
  t.equal(flushes.length, 2);
  t.same(told, []);
  flushes[0]?.resolve();
  await first;
  t.same(told, ["revision 1", "a"]);
  flushes[1]?.resolve();
  await second;
  t.same(told, ["revision 1", "a", "revision 2", "b"]);

  const lost = write("c");
  await settle();
  flushes[2]?.reject(fail("unavailable", "could not be written to the disk"));
  await t.rejects(lost, { kind: "unavailable", message: /could not be written/ });
  t.equal(told.length, 4, "nobody hears of what may be gone");
  await t.rejects(write("d"), { kind: "unavailable", message: /could not be written/ });
  t.equal(flushes.length, 3, "nothing is written on top of it");
  await store[Symbol.asyncDispose]();
});

t.test("a disk that failed is told to all who waited for it", async (t) => {
  const { store, flushes } = await slowDisk(new VirtualClock());
  const failed = fail("unavailable", "could not be written to the disk");
  const write = (id: string, pause?: Promise<void>): Promise<unknown> =>
    store.transaction(async ({ entries }) => {
      await entries.create(sampleEntry(id));
      await pause;
    });
  const refused = (writing: Promise<unknown>): Promise<unknown> =>
    t.rejects(writing, { kind: "unavailable", message: /could not be written/ });
  const all = [refused(write("a"))];
  await settle();
  all.push(refused(write("b")));
  await settle();
  const { promise: pause, resolve } = Promise.withResolvers<void>();
  all.push(refused(write("c", pause)));
  await settle();
  // It waits behind the third, which so leaves the commit to it.
  all.push(refused(write("d")));
  flushes[0]?.reject(failed);
  await settle();
  // Of the second flush alone nothing is known: the log before it may have gone.
  flushes[1]?.resolve();
  await settle();
  resolve();
  await Promise.all(all);
  t.equal(flushes.length, 2);
  await store[Symbol.asyncDispose]();
});

t.test("a long group is committed while the disk has nothing to do", async (t) => {
  const clock = new VirtualClock();
  const { store, flushes } = await slowDisk(clock);
  const seen: number[] = [];
  const write = (id: string): Promise<unknown> =>
    store.transaction(async ({ entries }) => {
      seen.push(flushes.length);
      await entries.create(sampleEntry(id));
      clock.step(3);
    });
  const all = ["a", "b", "c", "d"].map(write);
  await settle();
  t.same(seen, [0, 1, 1, 1], "the first alone, the others while its flush is under way");
  t.equal(flushes.length, 2);
  for (const flush of flushes) flush.resolve();
  await Promise.all(all);
  await store[Symbol.asyncDispose]();
});

t.test("flushes that wait for each other share one", async (t) => {
  const path = newPath();
  await using store = await openSqliteDatastore({
    path,
    clock: new VirtualClock(),
    logger: silentLogger,
  });
  await store.transaction((w) => w.entries.create(sampleEntry("a")));
  await using flush = await WalFlush.open(path);
  const [first, second, third] = [flush.flush(), flush.flush(), flush.flush()];
  t.not(first, second, "the one under way may have begun before a commit");
  t.equal(second, third);
  await Promise.all([first, second, third]);
});
