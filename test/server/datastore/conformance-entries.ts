import type {
  Change,
  EntryFilter,
  EntryRecord,
  SelectorMatch,
  Writers,
} from "../../../src/server/datastore/contract.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import type { Check } from "./conformance.ts";
import {
  listIds,
  match,
  rejectsWith,
  sampleEntry,
  sampleNode,
  selectors,
  walk,
} from "./samples.ts";

export async function entriesConformance(check: Check): Promise<void> {
  await check("entries keep every field", async (t, { store }) => {
    const entry = sampleEntry("full", {
      selectors: selectors("unix:uid:1", "k8s:ns:a:b", "unix:path:/bin/\u00e4 b"),
      x509SvidTtl: 60,
      jwtSvidTtl: 2_147_483_647,
      federatesWith: ["a.example", "b.example"],
      admin: true,
      downstream: true,
      storeSvid: true,
      expiresAt: 4_102_444_800,
      dnsNames: ["b.example", "*.a.example"],
      hint: "internal '; -- \u{1f511}",
      disableX509SvidPrefetch: true,
      jwtSvidIncludeJti: true,
      template: { id: "spiffe://example.org/full/{{unix.user}}", trustAgent: true },
      jwtClaims: '{"tenant":"acme","user":"{{unix.user}}"}',
      revisionNumber: 7,
    });
    await store.transaction((w) => w.entries.create(entry));
    t.same(await store.entries.get("full"), entry);
    t.same((await store.entries.list({})).items, [entry]);
    t.equal(await store.entries.get("other"), undefined);
    const bare = sampleEntry("full");
    await store.transaction((w) => w.entries.update(bare));
    t.same(await store.entries.get("full"), bare, "an update replaces each of them");
  });

  await check("many entries by their ids", async (t, { store }) => {
    const all = ["a", "b.1", "c_2", "d-3"].map((id) => sampleEntry(id));
    await store.transaction(async (w) => {
      for (const entry of all) await w.entries.create(entry);
      t.equal((await w.entries.getMany(["a", "c_2"])).length, 2, "within a transaction as well");
    });
    const some = await store.entries.getMany(["d-3", "none", "a"]);
    t.same(new Set(some.map(({ id }) => id)), new Set(["a", "d-3"]));
    t.same(
      some.find(({ id }) => id === "a"),
      all[0],
    );
    t.same(await store.entries.getMany([]), []);
  });

  await check("exists and not_found", async (t, { store }) => {
    const entry = sampleEntry("one", { selectors: selectors("a:1", "b:2") });
    await store.transaction((w) => w.entries.create(entry));
    const similar = sampleEntry("two", {
      spiffeId: entry.spiffeId,
      selectors: selectors("b:2", "a:1"),
    });
    await rejectsWith(t, "exists", () => store.transaction((w) => w.entries.create(similar)));
    await rejectsWith(t, "exists", () =>
      store.transaction((w) => w.entries.create(sampleEntry("one", { spiffeId: "spiffe://x/y" }))),
    );
    t.same(await store.entries.findSimilar(similar), entry);
    const apart = [
      { ...similar, parentId: `${similar.parentId}2` },
      { ...similar, spiffeId: `${similar.spiffeId}2` },
      { ...similar, selectors: selectors("a:1") },
      { ...similar, selectors: selectors("a:1", "b:2", "c:3") },
    ];
    for (const other of apart) t.equal(await store.entries.findSimilar(other), undefined);
    await store.transaction((w) => w.entries.create({ ...similar, selectors: selectors("a:1") }));
    await rejectsWith(t, "exists", () => store.transaction((w) => w.entries.update(similar)));
    await rejectsWith(t, "not_found", () =>
      store.transaction((w) => w.entries.update(sampleEntry("none"))),
    );
    t.equal(await store.transaction((w) => w.entries.delete("none")), false);
    t.equal(await store.transaction((w) => w.entries.delete("one")), true);
    await store.transaction((w) => w.entries.create({ ...entry, id: "again" }));
    t.same((await store.entries.list({})).items.map(({ id }) => id).sort(), ["again", "two"]);
  });

  await check("a refused write leaves the transaction usable", async (t, { store }) => {
    await store.transaction(async (w) => {
      await w.entries.create(sampleEntry("one"));
      await rejectsWith(t, "exists", () => w.entries.create(sampleEntry("one")));
      await rejectsWith(t, "not_found", () => w.entries.update(sampleEntry("none")));
      await w.entries.create(sampleEntry("two"));
    });
    t.equal(await store.entries.count({}), 2);
    t.equal((await store.entries.list(match("any", "unix:uid:1000"))).items.length, 2);
  });

  await check("entry filters", async (t, { store }) => {
    const table: Record<string, Partial<EntryRecord>> = {
      a: { selectors: selectors("s:1"), federatesWith: ["x"], hint: "h" },
      ab: { selectors: selectors("s:1", "s:2"), federatesWith: ["x", "y"] },
      abc: { selectors: selectors("s:1", "s:2", "s:3"), federatesWith: ["x", "y", "z"] },
      c: { selectors: selectors("s:3"), downstream: true, parentId: "spiffe://example.org/p" },
      d: { selectors: selectors("s1:2"), spiffeId: "spiffe://example.org/a" },
    };
    await store.transaction(async (w) => {
      for (const [id, over] of Object.entries(table)) await w.entries.create(sampleEntry(id, over));
    });
    const federates = (how: SelectorMatch, ...trustDomains: string[]): EntryFilter => ({
      federatesWith: { match: how, trustDomains },
    });
    const cases: [EntryFilter, string[]][] = [
      [{}, ["a", "ab", "abc", "c", "d"]],
      [match("exact", "s:1", "s:2"), ["ab"]],
      [match("exact", "s:2", "s:1", "s:2"), ["ab"]],
      [match("exact", "s:2"), []],
      [match("subset", "s:1", "s:2"), ["a", "ab"]],
      [match("subset", "s:2"), []],
      [match("superset", "s:1", "s:2"), ["ab", "abc"]],
      [match("superset", "s:3"), ["abc", "c"]],
      [match("any", "s:2", "s:3"), ["ab", "abc", "c"]],
      [match("any", "s1:2"), ["d"]],
      [match("any", "nothing:here"), []],
      [federates("exact", "x", "y"), ["ab"]],
      [federates("subset", "x", "y"), ["a", "ab"]],
      [federates("superset", "x"), ["a", "ab", "abc"]],
      [federates("any", "z", "w"), ["abc"]],
      [{ spiffeId: "spiffe://example.org/a" }, ["a", "d"]],
      [{ parentId: "spiffe://example.org/p" }, ["c"]],
      [{ hint: "h" }, ["a"]],
      [{ hint: "" }, ["ab", "abc", "c", "d"]],
      [{ downstream: true }, ["c"]],
      [{ downstream: false }, ["a", "ab", "abc", "d"]],
      [{ ...match("any", "s:1"), ...federates("superset", "y"), downstream: false }, ["ab", "abc"]],
      [{ spiffeId: "spiffe://example.org/a", parentId: "spiffe://example.org/p" }, []],
    ];
    for (const [filter, want] of cases) {
      const title = JSON.stringify(filter);
      t.same(
        (await store.entries.list(filter)).items.map(({ id }) => id),
        want,
        title,
      );
      t.equal(await store.entries.count(filter), want.length, title);
      t.same(
        await walk(
          (page) => store.entries.list(filter, page),
          2,
          ({ id }) => id,
        ),
        want,
      );
    }
    await rejectsWith(t, "invalid", () => store.entries.list(match("any")));
    await rejectsWith(t, "invalid", () => store.entries.count(federates("subset")));
    await store.transaction(async (w) => {
      await w.entries.update(sampleEntry("abc", { selectors: selectors("s:9") }));
      await w.entries.delete("c");
    });
    t.same(await listIds(store, match("any", "s:3")), []);
    t.same(await listIds(store, match("any", "s:9", "s:1")), ["a", "ab", "abc"]);
    t.same(await listIds(store, federates("any", "z")), []);
  });

  await check("a new row inherits nothing of a deleted one", async (t, { store }) => {
    const old = sampleEntry("old", { selectors: selectors("s:1"), federatesWith: ["x"] });
    const node = sampleNode("old", { selectors: selectors("s:1") });
    await store.transaction(async (w) => {
      await w.entries.create(old);
      await w.nodes.put(node);
    });
    await store.transaction(async (w) => {
      await w.entries.delete("old");
      await w.nodes.delete(node.spiffeId);
      await w.entries.create(sampleEntry("new", { selectors: selectors("s:2") }));
      await w.nodes.put(sampleNode("new", { selectors: selectors("s:2") }));
    });
    t.same(await listIds(store, match("any", "s:1")), []);
    t.same(await listIds(store, { federatesWith: { match: "any", trustDomains: ["x"] } }), []);
    t.equal(await store.nodes.count(match("any", "s:1")), 0);
  });

  await check("pages are stable", async (t, { store }) => {
    const rows = Array.from({ length: 25 }, (_, i) =>
      sampleEntry(`e${String((i * 7) % 25).padStart(2, "0")}`, { createdAt: 100 + (i % 3) }),
    );
    await store.transaction(async (w) => {
      for (const row of rows) await w.entries.create(row);
    });
    const want = [...rows]
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
    t.same(await listIds(store, {}), want, "creation, then id");
    for (const size of [1, 7, 24, 25, 26, 10_000]) {
      t.same(
        await walk(
          (page) => store.entries.list({}, page),
          size,
          ({ id }) => id,
        ),
        want,
      );
    }
    const first = await store.entries.list({}, { size: 10 });
    await store.transaction(async (w) => {
      for (const id of want.slice(5, 12)) await w.entries.delete(id);
      await w.entries.create(sampleEntry("new", { createdAt: 200 }));
      await w.entries.create(sampleEntry("old", { createdAt: 1 }));
    });
    const rest = await store.entries.list({}, { size: 10_000, token: first.nextToken ?? "" });
    t.same(
      rest.items.map(({ id }) => id),
      [...want.slice(12), "new"],
      "nothing twice or skipped",
    );
    t.equal(rest.nextToken, undefined);
    const tokens = [
      "",
      "x",
      "bm90IGpzb24",
      "W10",
      `${first.nextToken}x`,
      "a".repeat(9000),
      "\u0000",
    ];
    const nodeToken = Buffer.from(JSON.stringify(["nodes", "x"])).toString("base64url");
    for (const token of [...tokens, nodeToken]) {
      await rejectsWith(t, "invalid", () => store.entries.list({}, { size: 1, token }));
      await rejectsWith(t, "invalid", () => store.bundles.list({ size: 1, token }));
    }
    for (const size of [0, -1, 1.5, 10_001, Number.NaN]) {
      await rejectsWith(t, "invalid", () => store.entries.list({}, { size }));
    }
  });

  await check("what was just written is read as it stands", async (t, { store, reopen }) => {
    const random = new SeededRandom("written");
    const pick = (n: number): number => Math.floor(random.unit() * n);
    const ids = Array.from({ length: 40 }, (_, i) => `e${i}`);
    const said: (readonly Change[])[] = [];
    let after = 0;
    const change = async (w: Writers): Promise<void> => {
      for (let i = 0; i <= pick(5); i += 1) {
        const id = ids[pick(ids.length)] ?? "";
        const record = sampleEntry(id, {
          hint: `h${pick(9)}`,
          ...(pick(2) === 0 && { selectors: selectors("unix:uid:2", "unix:uid:10", "k8s:ns:a") }),
          ...(pick(3) === 0 && { template: { id: "spiffe://td/{{k8s.ns}}", trustAgent: true } }),
        });
        if (pick(3) === 0) await w.entries.delete(id);
        else if ((await w.entries.get(id)) === undefined) await w.entries.create(record);
        else await w.entries.update(record);
      }
      if (pick(4) === 0) throw new Error("taken back");
    };
    for (let round = 0; round < 60; round += 1) {
      // Some in one commit, some undone.
      await Promise.allSettled(
        Array.from({ length: 1 + pick(4) }, () => store.transaction(change)),
      );
      const rows = await store.changes.since(after, 1000);
      said.push(rows);
      after = rows.at(-1)?.revision ?? after;
      const byId = (a: EntryRecord, b: EntryRecord): number => (a.id < b.id ? -1 : 1);
      const fresh = [...(await store.entries.getMany(ids))].sort(byId);
      const stored = [...(await store.entries.list({})).items].sort(byId);
      t.same(fresh, stored, `round ${round}`);
    }
    const again = reopen === undefined ? store : await reopen();
    t.same(said.flat(), await again.changes.since(0, 10_000), "and so is what changed");
  });

  await check("expired entries", async (t, { store }) => {
    await store.transaction(async (w) => {
      for (const at of [0, 10, 20, 30]) {
        await w.entries.create(sampleEntry(`e${at}`, { expiresAt: at }));
      }
    });
    const expired = async (now: number, limit = 10) =>
      (await store.entries.listExpired(now, limit)).map(({ id }) => id);
    t.same(await expired(10), []);
    t.same(await expired(11), ["e10"]);
    t.same(await expired(1000), ["e10", "e20", "e30"]);
    t.same(await expired(1000, 2), ["e10", "e20"]);
  });
}
