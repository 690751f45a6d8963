import fc from "fast-check";
import t from "tap";
import type { ViewUpdate } from "../../src/agent/cache/cache.ts";
import { EntryIndex } from "../../src/agent/cache/entry-index.ts";
import { compareEntries } from "../../src/agent/cache/entry.ts";
import { type Selector, formatSelector } from "../../src/spiffe/selector.ts";
import { S, entry, bundle, Bench } from "./cache-bench.ts";

t.test("an entry matches when all its selectors are the workload's", (t) => {
  const index = new EntryIndex();
  const entries = [
    entry("a", { selectors: S("unix:uid:1") }),
    entry("b", { selectors: S("unix:uid:1", "unix:gid:1"), createdAt: 2 }),
    entry("c", { selectors: S("unix:gid:1", "unix:path:/x"), createdAt: 1 }),
    entry("d", { selectors: S("unix:uid:2") }),
  ];
  index.replace(new Map(entries.map((e) => [e.id, e])));
  const match = (...texts: string[]): string =>
    index
      .match(S(...texts))
      .map((e) => e.id)
      .join("");
  t.equal(match("unix:uid:1"), "a");
  t.equal(match("unix:gid:1"), "");
  t.equal(match("unix:uid:1", "unix:gid:1"), "ab");
  t.equal(match("unix:uid:1", "unix:gid:1", "unix:path:/x"), "acb", "by creation, then id");
  t.equal(match(), "");
  t.same([...index.replace(new Map(entries.slice(1).map((e) => [e.id, e])))], ["a"]);
  t.equal(match("unix:uid:1", "unix:gid:1"), "b");
  t.equal(index.size, 3);
  t.end();
});

t.test("a frozen list is matched once for each state of the entries", (t) => {
  const bench = new Bench();
  const list = Object.freeze(S("unix:uid:1", "unix:gid:1"));
  const loose = S("unix:uid:1");
  const ids = (selectors: readonly Selector[]): string =>
    bench.cache
      .match(selectors)
      .map(({ id }) => id)
      .join("");
  t.equal(ids(list), "");
  bench.sync([entry("a")]);
  t.equal(ids(list), "a");
  t.equal(bench.cache.match(list), bench.cache.match(list));
  bench.sync([entry("b", { selectors: S("unix:gid:1") })]);
  t.equal(ids(list), "ab");
  t.equal(ids(loose), "a");
  loose.push(...S("unix:gid:1"));
  t.equal(ids(loose), "ab");
  bench.sync([], ["a", "b"]);
  t.equal(ids(list), "");
  t.end();
});

t.test("the index finds what looking at every entry finds, however entries come and go", (t) => {
  const selector = fc.constantFrom("a:1", "a:2", "b:1", "b:2", "c:1");
  const someEntry = fc.record({
    id: fc.constantFrom("1", "2", "3", "4", "5", "6"),
    selectors: fc.uniqueArray(selector, { minLength: 1, maxLength: 4 }),
    createdAt: fc.nat(3),
  });
  fc.assert(
    fc.property(
      fc.array(fc.uniqueArray(someEntry, { selector: (e) => e.id }), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.uniqueArray(selector),
      (rounds, has) => {
        const index = new EntryIndex();
        for (const round of rounds) {
          const entries = round.map((e) => entry(e.id, { ...e, selectors: S(...e.selectors) }));
          index.replace(new Map(entries.map((e) => [e.id, e])));
          const plain = entries
            .filter((e) =>
              e.selectors.every((s) => (has as string[]).includes(`${s.type}:${s.value}`)),
            )
            .sort(compareEntries);
          if (JSON.stringify(index.match(S(...has))) !== JSON.stringify(plain)) return false;
        }
        return true;
      },
    ),
    { seed: 1, numRuns: 500 },
  );
  t.end();
});

t.test("ten thousand entries with a shared selector: a match looks at few", (t) => {
  const index = new EntryIndex();
  const entries = Array.from({ length: 10_000 }, (_, i) =>
    entry(`e${i}`, { selectors: S("unix:uid:0", `unix:sha256:${i}`) }),
  );
  const map = new Map(entries.map((e) => [e.id, e]));
  index.replace(map);
  t.equal(index.match(S("unix:uid:0", "unix:sha256:77")).length, 1);
  // Against looking at all of them: by the processor's time, so that a machine may be slow or busy.
  const has = new Set(["unix:uid:0", "unix:sha256:77"]);
  const all = entries.map(({ selectors }) => selectors.map(formatSelector));
  const many = cpuTime(() => {
    for (let i = 0; i < 1000; i++) index.match(S("unix:uid:0", "unix:sha256:77"));
  });
  const few = cpuTime(() => {
    for (let i = 0; i < 100; i++) all.filter((texts) => texts.every((text) => has.has(text)));
  });
  t.ok(many < few, `a thousand matches take ${many} us, a hundred looks at all ${few} us`);
  t.equal(index.replace(new Map(map)).size, 0, "the same entries: nothing changed");
  t.end();
});

t.test("before the first sync nobody is told anything", (t) => {
  const bench = new Bench();
  const watch = bench.watch();
  t.equal(bench.cache.synced, false);
  t.equal(watch.settle(), false);
  t.same(watch.seen, []);
  bench.sync();
  t.same(watch.seen, ["none"]);
  t.end();
});

t.test(
  "a stream waits for its SVIDs, then gets whole views, and only when the bytes differ",
  (t) => {
    const bench = new Bench();
    const [a, b] = [entry("a"), entry("b", { createdAt: 1 })];
    bench.sync([a, b]);
    const watch = bench.watch();
    t.same(watch.seen, []);
    t.ok(bench.missing > 0, "somebody is asked to sign");
    t.same(bench.due(), ["a", "b"]);
    bench.sign(a);
    t.same(watch.seen, [], "not half of it");
    bench.sign(b);
    t.same(watch.seen.splice(0), [
      "x509 spiffe://example.org/a#0.0 spiffe://example.org/b#1.0 example.org@1",
    ]);
    bench.sync();
    bench.sync([entry("other", { selectors: S("unix:uid:9") })]);
    bench.sync([{ ...a, admin: true, revisionNumber: 2 }]);
    t.same(watch.seen, [], "nothing that shows has changed");
    bench.own(2);
    t.same(watch.seen.splice(0), [
      "x509 spiffe://example.org/a#0.0 spiffe://example.org/b#1.0 example.org@2",
    ]);
    bench.sync([], ["a"]);
    t.same(watch.seen.splice(0), ["x509 spiffe://example.org/b#1.0 example.org@2"]);
    bench.sync([], ["b"]);
    t.same(watch.seen.splice(0), ["none"]);
    watch.close();
    watch.close();
    t.equal(bench.cache.subscriberCount, 0);
    t.end();
  },
);

t.test("what is taken away is told at once, though something new is still to be signed", (t) => {
  const bench = new Bench();
  const [a, b, c] = [entry("a"), entry("b"), entry("c")];
  bench.sync([a, b]);
  bench.sign(a, b);
  const watch = bench.watch();
  watch.seen.splice(0);
  bench.sync([c], ["b"]);
  t.same(watch.seen.splice(0), ["x509 spiffe://example.org/a#0.0 example.org@1"]);
  bench.sign(c);
  t.same(watch.seen.splice(0), [
    "x509 spiffe://example.org/a#0.0 spiffe://example.org/c#0.0 example.org@1",
  ]);
  t.end();
});

t.test("whoever has waited long enough gets what there is", (t) => {
  const bench = new Bench();
  const [a, b] = [entry("a"), entry("b")];
  bench.sync([a, b]);
  const none = bench.watch();
  t.equal(none.settle(), false);
  bench.sign(a);
  t.equal(none.settle(), true);
  t.same(none.seen, ["x509 spiffe://example.org/a#0.0 example.org@1"]);
  t.end();
});

t.test("hints: a duplicate keeps the oldest entry", (t) => {
  const bench = new Bench();
  const entries = [
    entry("new", { hint: "x", createdAt: 2 }),
    entry("old", { hint: "x", createdAt: 1 }),
    entry("plain1"),
    entry("plain2"),
  ];
  bench.sync(entries);
  bench.sign(...entries);
  t.same(bench.watch().seen, [
    "x509 spiffe://example.org/plain1#0.0 spiffe://example.org/plain2#0.0 spiffe://example.org/old#1.0x example.org@1",
  ]);
  t.end();
});

t.test("federated bundles: the union over the matching entries, as far as they are known", (t) => {
  const bench = new Bench();
  const a = entry("a", { federatesWith: ["z.org", "y.org"] });
  const b = entry("b", { federatesWith: ["y.org", "example.org", "unknown.org"] });
  bench.sync([a, b, entry("c", { selectors: S("unix:uid:2"), federatesWith: ["x.org"] })]);
  bench.foreign(bundle("x.org"), bundle("y.org"), bundle("z.org"));
  const watch = bench.watch(S("unix:uid:1"), "x509-bundles");
  t.same(watch.seen.splice(0), ["x509-bundles example.org@1 y.org@1 z.org@1"]);
  bench.foreign(bundle("y.org", 2), bundle("z.org"));
  t.same(watch.seen.splice(0), ["x509-bundles example.org@1 y.org@2 z.org@1"]);
  t.equal(bench.cache.bundleFor("z.org", [a])?.trustDomain, "z.org");
  t.equal(bench.cache.bundleFor("z.org", [b]), undefined);
  t.equal(bench.cache.bundleFor("example.org", [])?.trustDomain, "example.org");
  t.end();
});

t.test("unregistered callers see the own bundle where that is allowed, and nothing else", (t) => {
  const bench = new Bench({ allowUnregistered: true });
  bench.sync([entry("a", { federatesWith: ["y.org"] })]);
  bench.foreign(bundle("y.org"));
  const nobody = S("unix:uid:7");
  t.same(bench.watch(nobody, "x509-bundles").seen, ["x509-bundles example.org@1"]);
  t.same(bench.watch(nobody, "jwt-bundles").seen, ["jwt-bundles example.org@1"]);
  t.same(bench.watch(nobody).seen, ["none"]);
  const watched = bench.watch(nobody, "x509-bundles");
  bench.cache.setPolicy({ maxIdleSvids: 100, allowUnregistered: true });
  bench.cache.setPolicy({ maxIdleSvids: 100, allowUnregistered: false });
  t.same(watched.seen, ["x509-bundles example.org@1", "none"], "until it is not any more");
  t.end();
});

t.test("streams with the same identities share one and the same bytes", (t) => {
  const bench = new Bench();
  const a = entry("a");
  bench.sync([a]);
  bench.sign(a);
  const frames: Uint8Array[] = [];
  const listen = (update: ViewUpdate): void =>
    void (update.kind === "view" && frames.push(update.frame));
  bench.cache.subscribe(S("unix:uid:1"), "x509", listen).close();
  bench.cache.subscribe(S("unix:uid:1"), "x509", listen);
  bench.cache.subscribe(S("unix:uid:1", "unix:gid:5"), "x509", listen);
  t.equal(frames.length, 3);
  t.ok(frames.every((frame) => frame === frames[0]));
  t.end();
});

t.test("a listener may close its stream, and others, while it is told", (t) => {
  const bench = new Bench();
  const a = entry("a");
  bench.sync([a]);
  bench.sign(a);
  const told: string[] = [];
  const other = bench.watch();
  const self = bench.cache.subscribe(S("unix:uid:1"), "x509", () => {
    told.push("self");
    other.close();
  });
  told.splice(0);
  bench.own(2);
  self.close();
  bench.own(3);
  t.same(told, ["self"]);
  t.end();
});

t.test("whoever waits for the first sync is let go when it comes, or gives up", async (t) => {
  const bench = new Bench();
  const given = new AbortController();
  const waiting = bench.cache.whenSynced(new AbortController().signal);
  const giving = bench.cache.whenSynced(given.signal);
  given.abort(new Error("given up"));
  await t.rejects(giving, /given up/);
  bench.sync();
  await waiting;
  await bench.cache.whenSynced(given.signal);
});

t.test(
  "an SVID is not handed out in its last moments, whoever comes or changes then",
  async (t) => {
    const bench = new Bench();
    const [a, b] = [entry("a"), entry("b")];
    bench.sync([a, b]);
    const now = bench.clock.nowMs() / 1000;
    const renewAtMs = (now + 9) * 1000;
    const short = bench.svid(a, { expiresAt: now + 10, renewAtMs });
    bench.cache.applySvids([short, bench.svid(b, { expiresAt: now + 20, renewAtMs })], []);
    const both = "x509 spiffe://example.org/a#0.0 spiffe://example.org/b#0.0 example.org@";
    const held = bench.watch();
    t.same(held.seen.splice(0), [`${both}1`]);
    await bench.clock.advance(7900);
    t.same(bench.watch().seen, [`${both}1`], "two seconds before its end");
    await bench.clock.advance(100);
    const late = bench.watch();
    t.same(late.seen, [], "a caller that comes then waits for its next SVID");
    bench.own(2);
    t.same(held.seen, ["x509 spiffe://example.org/b#0.0 example.org@2"], "a change brings none");
    t.same(bench.due(), ["a"], "the next one is made");
    bench.cache.applySvids([bench.svid(a)], []);
    t.same(late.seen, [`${both}2`]);
    await bench.clock.advance(10_000);
    t.equal(late.settle(), true);
    bench.own(3);
    t.same(late.seen.at(-1), "x509 spiffe://example.org/a#0.0 example.org@3");
  },
);
t.test("a view that comes back is told again, though its bytes are those of before", (t) => {
  const bench = new Bench();
  const one = entry("a");
  bench.sync([one]);
  bench.sign(one);
  const { seen } = bench.watch();
  bench.sync([], ["a"]);
  bench.sync([one]);
  bench.sign(one);
  const view = "x509 spiffe://example.org/a#0.0 example.org@1";
  t.same(seen, [view, "none", view]);
  t.end();
});

function cpuTime(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
