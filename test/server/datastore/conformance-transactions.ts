import type { Check } from "./conformance.ts";
import {
  holding,
  match,
  rejectsWith,
  sampleAuthority,
  sampleEntry,
  sampleNode,
  selectors,
} from "./samples.ts";

export async function transactionsConformance(check: Check): Promise<void> {
  await check("a thrown error rolls everything back", async (t, { store }) => {
    await store.transaction((w) => w.entries.create(sampleEntry("kept")));
    const before = await store.changes.current();
    const boom = new Error("boom");
    await t.rejects(
      store.transaction(async (w) => {
        await w.entries.create(sampleEntry("gone"));
        await w.entries.delete("kept");
        await w.nodes.put(sampleNode("gone", { selectors: selectors("a:1") }));
        await w.tokens.create({ hash: "gone", expiresAt: 1, createdAt: 1 });
        await w.bundles.put("gone.example", "{}");
        await w.authorities.put(sampleAuthority("gone"));
        throw boom;
      }),
      boom,
    );
    t.same((await store.entries.list({})).items, [sampleEntry("kept")]);
    t.equal(await store.nodes.count({}), 0);
    t.equal(await store.nodes.count(match("any", "a:1")), 0);
    t.equal(await store.tokens.get("gone"), undefined);
    t.equal(await store.bundles.count(), 0);
    t.same(await store.authorities.list("set"), []);
    t.equal(await store.changes.current(), before);
  });

  await check("readers see committed rows only, writers their own", async (t, { store }) => {
    await store.transaction(async (w) => {
      await w.entries.create(sampleEntry("one"));
      t.ok(await w.entries.get("one"));
      t.equal(await w.entries.count({}), 1);
      t.equal(await store.entries.get("one"), undefined);
      t.equal(await store.entries.count({}), 0);
      t.same(await store.changes.since(0, 10), []);
    });
    t.ok(await store.entries.get("one"));
  });

  await check("who is refused for another's row finds it", async (t, { store }) => {
    const create = (): Promise<unknown> =>
      store.transaction((w) => w.entries.create(sampleEntry("one")));
    const seen: unknown[] = [];
    const second = async (): Promise<void> => {
      await rejectsWith(t, "exists", create);
      seen.push(await store.entries.get("one"));
    };
    await Promise.all([create(), second(), second()]);
    t.same(seen, [sampleEntry("one"), sampleEntry("one")]);
  });

  await check("writers end with their transaction", async (t, { store }) => {
    const kept = await store.transaction(async (w) => w);
    await t.rejects(kept.entries.create(sampleEntry("late")), TypeError);
    await t.rejects(kept.entries.get("late"), TypeError);
    await t.rejects(
      store.transaction(() => store.transaction(async () => undefined)),
      TypeError,
      "transactions do not nest",
    );
    t.equal(await store.entries.count({}), 0);
  });

  await check("concurrent transactions do not mix", async (t, { store }) => {
    const boom = new Error("boom");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        store.transaction(async (w) => {
          const total = await w.entries.count({});
          await w.entries.create(sampleEntry(`e${i}`, { hint: String(total) }));
          await new Promise((resolve) => setImmediate(resolve));
          t.equal(await w.entries.count({}), total + 1);
          if (i % 4 === 0) throw boom;
        }),
      ),
    );
    t.equal(outcomes.filter(({ status }) => status === "rejected").length, 10);
    const { items } = await store.entries.list({});
    t.same(
      items.map(({ hint }) => Number(hint)).sort((a, b) => a - b),
      [...Array(30).keys()],
    );
  });

  await check(
    "one that takes its time is whole, whoever wrote just before",
    async (t, { store }) => {
      const boom = new Error("boom");
      const turns = async (): Promise<void> => {
        for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
      };
      for (const isTakenBack of [true, false]) {
        const before = store.transaction((w) =>
          w.entries.create(sampleEntry(`before ${isTakenBack}`)),
        );
        // It has been written by now, and no turn of the event loop has passed.
        for (let i = 0; i < 100; i += 1) await Promise.resolve();
        const slow = store.transaction(async (w) => {
          await w.entries.create(sampleEntry(`first ${isTakenBack}`));
          await turns();
          t.equal(
            await store.entries.get(`first ${isTakenBack}`),
            undefined,
            "nothing of it is seen",
          );
          await w.entries.create(sampleEntry(`second ${isTakenBack}`));
          await turns();
          if (isTakenBack) throw boom;
        });
        await (isTakenBack ? t.rejects(slow, boom) : slow);
        await before;
      }
      const { items } = await store.entries.list({});
      const ids = items.map(({ id }) => id).sort();
      t.same(ids, ["before false", "before true", "first false", "second false"]);
    },
  );

  await check("what was acknowledged is there after reopening", async (t, { store, reopen }) => {
    if (reopen === undefined) return;
    await store.transaction(async (w) => {
      await w.entries.create(sampleEntry("e", { federatesWith: ["td"] }));
      await w.nodes.put(sampleNode("n", { selectors: selectors("a:1") }));
      await w.tokens.create({ hash: "h", expiresAt: 5, createdAt: 1 });
      await w.bundles.put("td", "1");
      await w.authorities.put(sampleAuthority("1"));
    });
    const changes = await store.changes.since(0, 10);
    const after = await reopen();
    await holding(after, async () => {
      t.same(await after.entries.get("e"), sampleEntry("e", { federatesWith: ["td"] }));
      t.equal(await after.nodes.count(match("any", "a:1")), 1);
      t.ok(await after.tokens.get("h"));
      t.equal((await after.bundles.get("td"))?.content, "1");
      t.same(await after.authorities.list("set"), [sampleAuthority("1")]);
      t.same(await after.changes.since(0, 10), changes);
    });
  });

  await check("closing", async (t, { store }) => {
    const order: string[] = [];
    const last = store.transaction(async (w) => {
      await new Promise((resolve) => setImmediate(resolve));
      await w.entries.create(sampleEntry("e"));
      order.push("committed");
    });
    const closing = store[Symbol.asyncDispose]().then(() => order.push("closed"));
    const late = store.transaction((w) => w.entries.delete("e"));
    await last;
    await rejectsWith(t, "unavailable", () => late);
    await closing;
    t.same(order, ["committed", "closed"], "waits for the running transaction");
    await rejectsWith(t, "unavailable", () => store.entries.get("e"));
    await store[Symbol.asyncDispose]();
  });
}
