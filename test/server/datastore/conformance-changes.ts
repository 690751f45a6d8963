import type { Change, ChangeReader } from "../../../src/server/datastore/contract.ts";
import { readChanges } from "../../../src/server/datastore/read-changes.ts";
import type { Check } from "./conformance.ts";
import { holding, listIds, ordered, sampleAuthority, sampleEntry, sampleNode } from "./samples.ts";

export async function changesConformance(check: Check): Promise<void> {
  await check("the change feed", async (t, { store }) => {
    t.equal(await store.changes.current(), 0);
    t.equal(await store.changes.oldest(), 1);
    await store.transaction(async (w) => {
      await w.entries.create(sampleEntry("e"));
      await w.nodes.put(sampleNode("n"));
      await w.entries.update(sampleEntry("e", { hint: "x" }));
      await w.bundles.put("td", "1");
      await w.authorities.put(sampleAuthority("1"));
      await w.authorities.put(sampleAuthority("2"));
    });
    const first = await store.changes.since(0, 100);
    t.same(
      new Set(first.map(({ subject, key }) => `${subject} ${key}`)),
      new Set(["entry e", `node ${sampleNode("n").spiffeId}`, "bundle td", "authority set"]),
      "one row for each thing that changed",
    );
    t.equal(first.length, 4);
    ordered(t, first);
    t.equal(await store.changes.current(), first.at(-1)?.revision);
    await store.transaction(async (w) => {
      await w.entries.delete("e");
      await w.entries.delete("none");
      await w.nodes.delete(sampleNode("n").spiffeId);
      await w.bundles.delete("td");
      await w.authorities.delete("set", "x509", "1");
    });
    const second = await store.changes.since(first.at(-1)?.revision ?? 0, 100);
    t.equal(second.length, 4, "a delete of nothing is no change");
    ordered(t, [...first, ...second]);
    t.same(await store.changes.since(0, 3), first.slice(0, 3));
    await store.transaction(async (w) => void (await w.entries.get("e")));
    t.equal((await store.changes.since(0, 100)).length, 8, "reading changes nothing");
  });

  await check("readers of the feed are at different places", async (t, { store }) => {
    const written: string[] = [];
    const asked: string[] = [];
    for (let round = 0; round < 12; round++) {
      await store.transaction(async (w) => {
        for (let i = 0; i < 120; i++) {
          const id = `e${round}-${i}`;
          written.push(id);
          await w.entries.create(sampleEntry(id));
        }
      });
      const newest = await store.changes.current();
      for (const [after, limit] of [
        [newest - 120, 1000],
        [newest - 120, 50],
        [newest - 70, 1000],
        [newest - 7, 3],
        [newest, 10],
        [0, 10],
        [Math.max(0, newest - 400), 1000],
        [Math.max(0, newest - 1100), 2000],
        [newest - 1, 1],
      ] as const) {
        const rows = await store.changes.since(after, limit);
        const want = written.slice(after, after + limit);
        const isRight = rows.every(
          ({ revision, key }, index) => revision === after + index + 1 && key === want[index],
        );
        if (!isRight || rows.length !== want.length) asked.push(`${newest}: ${after}, ${limit}`);
      }
    }
    t.same(asked, [], "each gets what stands behind its own place");
    await store.pruneChanges(30);
    const newest = await store.changes.current();
    t.equal((await store.changes.since(newest - 100, 1000)).length, 30, "and nothing that is gone");
  });

  await check("onCommit tells the newest visible revision", async (t, { store }) => {
    const told: number[] = [];
    const visible: Promise<boolean>[] = [];
    const stop = store.onCommit((revision) => {
      told.push(revision);
      visible.push(
        store.changes.since(revision - 1, 1).then(([row]) => row?.revision === revision),
      );
    });
    store.onCommit(() => {
      throw new Error("a listener's own trouble");
    });
    await store.transaction((w) => w.entries.create(sampleEntry("1")));
    await store.transaction(async () => undefined);
    await store.transaction((w) => w.boundTokens.prune(1));
    await t.rejects(store.transaction(() => Promise.reject(new Error("no"))));
    await store.transaction((w) => w.entries.create(sampleEntry("2")));
    t.same(told, [(await store.changes.current()) - 1, await store.changes.current()]);
    t.same(await Promise.all(visible), [true, true]);
    stop();
    await store.transaction((w) => w.entries.delete("1"));
    t.equal(told.length, 2);
  });

  await check("who has seen r never learns later of a change <= r", async (t, { store }) => {
    const seen: Change[] = [];
    const writing = new AbortController();
    const read = async (): Promise<void> => {
      while (
        !writing.signal.aborted ||
        (seen.at(-1)?.revision ?? 0) < (await store.changes.current())
      ) {
        const rows = await store.changes.since(seen.at(-1)?.revision ?? 0, 5);
        seen.push(...rows);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const reading = read();
    await Promise.allSettled(
      Array.from({ length: 60 }, (_, i) =>
        store.transaction(async (w) => {
          for (let k = 0; k <= i % 3; k++) await w.entries.create(sampleEntry(`e${i}-${k}`));
          if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
          if (i % 7 === 0) throw new Error("rolled back");
        }),
      ),
    );
    writing.abort();
    await reading;
    t.same(seen, await store.changes.since(0, 1000), "the reader missed nothing");
    ordered(t, seen);
    t.same(seen.map(({ key }) => key).sort(), (await listIds(store, {})).sort());
  });

  await check("pruning the feed", async (t, { store, reopen }) => {
    for (let i = 0; i < 10; i++) {
      await store.transaction((w) => w.entries.create(sampleEntry(`e${i}`)));
    }
    const all = await store.changes.since(0, 100);
    await store.pruneChanges(100);
    t.equal((await store.changes.since(0, 100)).length, 10);
    await store.pruneChanges(4);
    t.same(await store.changes.since(0, 100), all.slice(6));
    t.equal(await store.changes.oldest(), all[6]?.revision);
    const last = await store.changes.current();
    await store.pruneChanges(0);
    t.equal(await store.changes.current(), last, "the newest revision stays known");
    t.equal(await store.changes.oldest(), last + 1);
    const after = reopen === undefined ? store : await reopen();
    await holding(after, async () => {
      t.equal(await after.changes.current(), last);
      await after.transaction((w) => w.entries.delete("e1"));
      const [next] = await after.changes.since(last, 10);
      t.ok((next?.revision ?? 0) > last, "no revision is given out twice");
      t.equal(await after.changes.oldest(), next?.revision);
    });
  });
  await check("changes are read to their end, or told to be missed", async (t, { store }) => {
    const write = (id: string): Promise<unknown> =>
      store.transaction((w) => w.entries.create(sampleEntry(id)));
    for (const id of ["a", "b", "c"]) await write(id);
    const { changes } = store;
    const seen: string[] = [];
    let reached = 0;
    const read = (after: number, from = changes): Promise<boolean> =>
      readChanges(from, after, (rows, revision) => {
        seen.push(...rows.map(({ key }) => key));
        reached = revision;
      });
    t.notOk(await read(0));
    t.same(seen.splice(0), ["a", "b", "c"]);
    t.equal(reached, await changes.current());
    t.notOk(await read(reached), "nothing new is nothing missed");
    await write("d");
    t.notOk(await read(reached));
    t.same(seen.splice(0), ["d"]);
    // Dropped while it is about to be read.
    const dropping: ChangeReader = {
      current: () => changes.current(),
      oldest: () => changes.oldest(),
      async since(after, limit) {
        await store.pruneChanges(1);
        return changes.since(after, limit);
      },
    };
    t.ok(await read(0, dropping));
    t.same(seen, [], "what is left is not taken for all there was");
  });
}
