import type { Test } from "tap";
import { isKind } from "../../../src/base/errors.ts";
import type {
  AuthorityRecord,
  Change,
  Datastore,
  EntryFilter,
  EntryRecord,
  NodeFilter,
  NodeRecord,
  SelectorMatch,
} from "../../../src/server/datastore/contract.ts";
import { canonicalSelectors, parseSelector } from "../../../src/spiffe/selector.ts";

/** A store under test; `reopen` closes it and opens the same data again, where the implementation keeps any. */
export interface StoreUnderTest {
  readonly store: Datastore;
  readonly reopen?: () => Promise<Datastore>;
}

export function sampleEntry(id: string, over: Partial<EntryRecord> = {}): EntryRecord {
  return {
    id,
    spiffeId: `spiffe://example.org/${id}`,
    parentId: "spiffe://example.org/spire/agent/test/a",
    selectors: selectors("unix:uid:1000"),
    x509SvidTtl: 0,
    jwtSvidTtl: 0,
    federatesWith: [],
    admin: false,
    downstream: false,
    storeSvid: false,
    expiresAt: 0,
    dnsNames: [],
    hint: "",
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    revisionNumber: 0,
    createdAt: 1_700_000_000,
    ...over,
  };
}

export function sampleNode(name: string, over: Partial<NodeRecord> = {}): NodeRecord {
  return {
    spiffeId: `spiffe://example.org/spire/agent/test/${name}`,
    attestationType: "join_token",
    serial: "01ab",
    expiresAt: 1_700_003_600,
    newSerial: "",
    newExpiresAt: 0,
    selectors: [],
    banned: false,
    canReattest: false,
    agentVersion: "",
    keyHash: "",
    hostFacts: "",
    attestedAt: 1_700_000_000,
    ...over,
  };
}

export function selectors(...texts: string[]): EntryRecord["selectors"] {
  return canonicalSelectors(texts.map(parseSelector));
}

/** What every datastore must do; run it for each implementation with a function that opens an empty one. */
export async function datastoreConformance(
  t: Test,
  name: string,
  open: () => Promise<StoreUnderTest>,
): Promise<void> {
  const check = (title: string, body: (t: Test, under: StoreUnderTest) => Promise<void>) =>
    t.test(`${name}: ${title}`, async (t) => {
      const under = await open();
      await holding(under.store, () => body(t, under));
    });

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
    t.same(await ids(store, match("any", "s:3")), []);
    t.same(await ids(store, match("any", "s:9", "s:1")), ["a", "ab", "abc"]);
    t.same(await ids(store, federates("any", "z")), []);
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
    t.same(await ids(store, {}), want, "creation, then id");
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

  await check("nodes", async (t, { store }) => {
    const full = sampleNode("a", {
      newSerial: "ff",
      newExpiresAt: 5,
      selectors: selectors("s:1", "s:2"),
      banned: true,
      canReattest: true,
      agentVersion: "1.2",
      keyHash: "aa",
      hostFacts: '{"os":"linux"}',
    });
    const b = sampleNode("b", { attestationType: "x509pop", selectors: selectors("s:1") });
    const c = sampleNode("c", { expiresAt: 10, serial: "" });
    await store.transaction(async (w) => {
      for (const node of [c, full, b]) await w.nodes.put(node);
    });
    t.same(await store.nodes.get(full.spiffeId), full);
    t.equal(await store.nodes.get("spiffe://example.org/none"), undefined);
    const cases: [NodeFilter, NodeRecord[]][] = [
      [{}, [full, b, c]],
      [{ attestationType: "x509pop" }, [b]],
      [{ banned: true }, [full]],
      [{ banned: false }, [b, c]],
      [{ canReattest: true }, [full]],
      [{ expiresBefore: 11 }, [c]],
      [{ expiresBefore: 10 }, []],
      [match("superset", "s:1"), [full, b]],
      [match("subset", "s:1", "s:3"), [b]],
      [match("exact", "s:1", "s:2"), [full]],
      [match("any", "s:2"), [full]],
      [{ ...match("any", "s:1"), banned: false }, [b]],
    ];
    for (const [filter, want] of cases) {
      const title = JSON.stringify(filter);
      t.same((await store.nodes.list(filter)).items, want, title);
      t.equal(await store.nodes.count(filter), want.length, title);
      const walked = await walk(
        (page) => store.nodes.list(filter, page),
        1,
        (node) => node,
      );
      t.same(walked, want, title);
    }
    const changed = { ...full, selectors: selectors("s:9"), banned: false };
    await store.transaction((w) => w.nodes.put(changed));
    t.same(await store.nodes.get(full.spiffeId), changed);
    t.equal(await store.nodes.count(match("any", "s:2")), 0);
    t.equal(await store.nodes.count(match("exact", "s:9")), 1);
    t.equal(await store.transaction((w) => w.nodes.delete(full.spiffeId)), true);
    t.equal(await store.transaction((w) => w.nodes.delete(full.spiffeId)), false);
    t.equal(await store.nodes.count(match("any", "s:9")), 0);
  });

  await check("join tokens", async (t, { store }) => {
    const token = { hash: "ab", expiresAt: 100, createdAt: 1 };
    await store.transaction((w) => w.tokens.create(token));
    await rejectsWith(t, "exists", () => store.transaction((w) => w.tokens.create(token)));
    t.same(await store.tokens.get("ab"), token);
    t.equal(await store.transaction((w) => w.tokens.prune(100)), 0);
    const spent = await Promise.all(
      [1, 2, 3].map(() => store.transaction((w) => w.tokens.delete("ab"))),
    );
    t.same(spent.sort(), [false, false, true], "spent once");
    await store.transaction((w) => w.tokens.create(token));
    t.equal(await store.transaction((w) => w.tokens.prune(101)), 1);
    t.equal(await store.tokens.get("ab"), undefined);
    t.equal(await store.changes.current(), 0, "tokens are not in the change feed");
  });

  await check("bundles", async (t, { store }) => {
    const put = (td: string, content: string) =>
      store.transaction((w) => w.bundles.put(td, content));
    t.same(await put("b", "1"), { trustDomain: "b", content: "1", sequence: 1 });
    const revision = await store.changes.current();
    t.same(await put("b", "1"), { trustDomain: "b", content: "1", sequence: 1 });
    t.equal(await store.changes.current(), revision, "an equal content changes nothing");
    t.same(await put("b", "2"), { trustDomain: "b", content: "2", sequence: 2 });
    await put("c", "c");
    await put("a", "a");
    t.same(await store.bundles.get("b"), { trustDomain: "b", content: "2", sequence: 2 });
    const names = (size: number) =>
      walk(
        (page) => store.bundles.list(page),
        size,
        ({ trustDomain }) => trustDomain,
      );
    t.same(await names(2), ["a", "b", "c"]);
    t.equal((await store.bundles.list()).items.length, 3);
    t.equal(await store.transaction((w) => w.bundles.delete("b")), true);
    t.equal(await store.transaction((w) => w.bundles.delete("b")), false);
    t.equal(await store.bundles.get("b"), undefined);
    t.same(await names(1), ["a", "c"]);
    t.equal(await store.bundles.count(), 2);
    t.ok((await put("b", "2")).sequence > 2, "a sequence never goes back");
  });

  await check("authorities", async (t, { store }) => {
    const one = sampleAuthority("1", { createdAt: 20 });
    const two = sampleAuthority("2", { createdAt: 10, kind: "jwt", chain: [] });
    await store.transaction(async (w) => {
      await w.authorities.put(one);
      await w.authorities.put(two);
      await w.authorities.put(sampleAuthority("1", { set: "other" }));
    });
    t.same(await store.authorities.list("set"), [two, one]);
    const tainted: AuthorityRecord = { ...one, status: "old", tainted: true };
    await store.transaction((w) => w.authorities.put(tainted));
    t.same(await store.authorities.list("set"), [two, tainted]);
    t.equal(await store.transaction((w) => w.authorities.delete("set", "jwt", "1")), false);
    t.equal(await store.transaction((w) => w.authorities.delete("set", "x509", "1")), true);
    t.same(await store.authorities.list("set"), [two]);
    t.equal((await store.authorities.list("other")).length, 1);
  });

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
    const second = await store.changes.since(lastOf(first), 100);
    t.equal(second.length, 4, "a delete of nothing is no change");
    ordered(t, [...first, ...second]);
    t.same(await store.changes.since(0, 3), first.slice(0, 3));
    await store.transaction(async (w) => void (await w.entries.get("e")));
    t.equal((await store.changes.since(0, 100)).length, 8, "reading changes nothing");
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
    await store.transaction((w) => w.tokens.prune(1));
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
    let writing = true;
    const read = async (): Promise<void> => {
      while (writing || (seen.at(-1)?.revision ?? 0) < (await store.changes.current())) {
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
    writing = false;
    await reading;
    t.same(seen, await store.changes.since(0, 1000), "the reader missed nothing");
    ordered(t, seen);
    t.same(seen.map(({ key }) => key).sort(), (await ids(store, {})).sort());
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

function sampleAuthority(id: string, over: Partial<AuthorityRecord> = {}): AuthorityRecord {
  return {
    id,
    set: "set",
    kind: "x509",
    status: "prepared",
    tainted: false,
    keyName: "key-1",
    chain: ["AAAA", "BBBB"],
    publicKey: "CCCC",
    notBefore: 1,
    notAfter: 2,
    createdAt: 1,
    ...over,
  };
}

function match(
  how: SelectorMatch,
  ...texts: string[]
): { selectors: NonNullable<EntryFilter["selectors"]> } {
  return { selectors: { match: how, selectors: texts.map(parseSelector) } };
}

async function ids(store: Datastore, filter: EntryFilter): Promise<string[]> {
  return (await store.entries.list(filter)).items.map(({ id }) => id);
}

async function walk<T, R>(
  list: (page: { size: number; token?: string }) => Promise<{
    items: readonly T[];
    nextToken?: string;
  }>,
  size: number,
  pick: (item: T) => R,
): Promise<R[]> {
  const out: R[] = [];
  let token: string | undefined;
  do {
    const page = await list({ size, ...(token === undefined ? {} : { token }) });
    if (page.items.length > size) throw new Error("a page is longer than asked for");
    out.push(...page.items.map(pick));
    token = page.nextToken;
  } while (token !== undefined);
  return out;
}

function ordered(t: Test, changes: readonly Change[]): void {
  const revisions = changes.map(({ revision }) => revision);
  t.same(
    revisions,
    [...new Set(revisions)].sort((a, b) => a - b),
    "revisions rise",
  );
}

function lastOf(changes: readonly Change[]): number {
  return changes.at(-1)?.revision ?? 0;
}

async function rejectsWith(
  t: Test,
  kind: Parameters<typeof isKind>[1],
  run: () => Promise<unknown>,
) {
  try {
    await run();
  } catch (thrown) {
    if (!isKind(thrown, kind)) t.fail(`expected ${kind}`, { thrown });
    else t.pass(kind);
    return;
  }
  t.fail(`expected ${kind}, got no error`);
}

/** `await using` for a value that came from elsewhere. */
async function holding(resource: AsyncDisposable, body: () => Promise<void>): Promise<void> {
  await using _held = resource;
  await body();
}
