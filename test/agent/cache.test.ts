import fc from "fast-check";
import t from "tap";
import { AuthorityWatch } from "../../src/agent/cache/authority-watch.ts";
import { Cache, type ViewUpdate } from "../../src/agent/cache/cache.ts";
import { EntryIndex } from "../../src/agent/cache/entry-index.ts";
import { type Entry, compareEntries, entryVersion } from "../../src/agent/cache/entry.ts";
import { JwtCache, type JwtSvid } from "../../src/agent/cache/jwt-cache.ts";
import { type HeldSvid, SvidStore } from "../../src/agent/cache/svid-store.ts";
import type { ViewContent, ViewKind } from "../../src/agent/cache/view.ts";
import { JwtFrames } from "../../src/agent/workload-api/jwt-frames.ts";
import { fail } from "../../src/base/errors.ts";
import type { JWTSVIDResponse__Output } from "../../src/rpc/gen/JWTSVIDResponse.ts";
import { messageOf } from "../../src/rpc/h2/frame.ts";
import { messageType } from "../../src/rpc/protos.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { type Selector, parseSelector } from "../../src/spiffe/selector.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const S = (...texts: string[]): Selector[] => texts.map(parseSelector);

function entry(id: string, change: Partial<Entry> = {}): Entry {
  return {
    id,
    spiffeId: `spiffe://example.org/${id}`,
    selectors: S("unix:uid:1"),
    federatesWith: [],
    hint: "",
    admin: false,
    downstream: false,
    storeSvid: false,
    isNodeAlias: false,
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    revisionNumber: 0,
    createdAt: 0,
    expiresAt: 0,
    ...change,
  };
}

function bundle(trustDomain: string, sequence = 1): Bundle {
  return { trustDomain, x509Authorities: [], jwtAuthorities: [], refreshHint: 0, sequence };
}

/** Readable bytes in place of protobuf: what matters here is who gets which, and when. */
function encode(kind: ViewKind, { svids, own, foreign }: ViewContent): Uint8Array {
  const text = [
    kind,
    ...svids.map(({ entry: { hint }, svid }) => `${svid.spiffeId}#${svid.version}${hint}`),
    `${own.trustDomain}@${own.sequence}`,
    ...foreign.map((b) => `${b.trustDomain}@${b.sequence}`),
  ].join(" ");
  return new TextEncoder().encode(text);
}

class Bench {
  readonly clock = new VirtualClock();
  readonly cache: Cache;
  missing = 0;
  #entries = new Map<string, Entry>();
  #own = bundle("example.org");
  #foreign = new Map<string, Bundle>();

  constructor(options: { maxIdleSvids?: number; allowUnregistered?: boolean } = {}) {
    this.cache = new Cache({
      clock: this.clock,
      encode,
      maxIdleSvids: options.maxIdleSvids ?? 100,
      allowUnregistered: options.allowUnregistered ?? false,
    });
    this.cache.onMissing = () => (this.missing += 1);
  }

  /** Syncs with these entries on top of the ones before; ids in `gone` go. */
  sync(entries: readonly Entry[] = [], gone: readonly string[] = []): void {
    const next = new Map(this.#entries);
    for (const id of gone) next.delete(id);
    for (const one of entries) next.set(one.id, one);
    this.#entries = next;
    this.cache.apply({ entries: next, own: this.#own, foreign: this.#foreign });
  }

  own(sequence: number): void {
    this.#own = bundle("example.org", sequence);
    this.sync();
  }

  foreign(...bundles: Bundle[]): void {
    this.#foreign = new Map(bundles.map((b) => [b.trustDomain, b]));
    this.sync();
  }

  svid(one: Entry, change: Partial<HeldSvid> = {}): HeldSvid {
    const now = this.clock.nowMs() / 1000;
    return {
      entryId: one.id,
      version: entryVersion(one),
      spiffeId: one.spiffeId,
      chain: new Uint8Array(1),
      key: new Uint8Array(1),
      expiresAt: now + 3600,
      renewAtMs: (now + 1800) * 1000,
      authorityId: "aa",
      ...change,
    };
  }

  sign(...entries: Entry[]): void {
    this.cache.applySvids(
      entries.map((one) => this.svid(one)),
      [],
    );
  }

  due(tainted: string[] = []): string[] {
    const { awaited, others } = this.cache.due(new Set(tainted));
    return [...awaited, ...others].map(({ id }) => id);
  }

  watch(selectors = S("unix:uid:1"), kind: ViewKind = "x509") {
    const seen: string[] = [];
    const subscription = this.cache.subscribe(selectors, kind, (update: ViewUpdate) => {
      seen.push(update.kind === "none" ? "none" : new TextDecoder().decode(update.frame));
    });
    return { seen, ...subscription };
  }
}

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
  const start = performance.now();
  for (let i = 0; i < 10_000; i++) index.match(S("unix:uid:0", "unix:sha256:77"));
  t.ok(performance.now() - start < 1000, "ten thousand matches in under a second");
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
    bench.sync([{ ...a, admin: true, revisionNumber: 1 }]);
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

t.test("an SVID that cannot be signed keeps nobody from the others", (t) => {
  const bench = new Bench();
  const [a, b] = [entry("a"), entry("b")];
  bench.sync([a, b]);
  const watch = bench.watch();
  bench.cache.applySvids([bench.svid(a)], [b]);
  t.same(watch.seen.splice(0), ["x509 spiffe://example.org/a#0.0 example.org@1"]);
  t.same(bench.due(), [], "not tried again at once");
  bench.clock.step(5000);
  t.same(bench.due(), ["b"]);
  bench.cache.applySvids([], [b]);
  bench.clock.step(5000);
  t.same(bench.due(), [], "each time later");
  bench.clock.step(5000);
  t.same(bench.due(), ["b"]);
  const changed = { ...b, revisionNumber: 1 };
  bench.cache.applySvids([], [b]);
  bench.sync([changed]);
  t.same(bench.due(), ["b"], "a changed entry is another try");
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

t.test("expired SVIDs are never served", (t) => {
  const bench = new Bench();
  const [a, b] = [entry("a"), entry("b")];
  bench.sync([a, b]);
  const now = bench.clock.nowMs() / 1000;
  bench.cache.applySvids([bench.svid(a, { expiresAt: now + 10 }), bench.svid(b)], []);
  const watch = bench.watch();
  watch.seen.splice(0);
  bench.clock.step(10_000);
  const late = bench.watch();
  t.same(late.seen, [], "waits for the new one");
  t.equal(late.settle(), true);
  t.same(late.seen, ["x509 spiffe://example.org/b#0.0 example.org@1"]);
  t.same(bench.due(), ["a"]);
  t.same(
    watch.seen,
    ["x509 spiffe://example.org/b#0.0 example.org@1"],
    "open streams lose it, too",
  );
  bench.clock.step(3600_000);
  t.same(bench.due(), ["a", "b"]);
  t.equal(bench.cache.svidCount, 0);
  t.equal(bench.watch().settle(), false, "nothing left to serve");
  t.end();
});

t.test(
  "renewal: at its time, on a new revision, on a tainted authority; most urgent first",
  (t) => {
    const bench = new Bench();
    const entries = ["a", "b", "c", "d", "e"].map((id) =>
      entry(id, { selectors: S(`unix:uid:${id}`) }),
    );
    const [a, b, c, d, e] = entries as [Entry, Entry, Entry, Entry, Entry];
    bench.sync(entries);
    bench.cache.applySvids(
      [bench.svid(a), bench.svid(b), bench.svid(c, { authorityId: "bb" }), bench.svid(d)],
      [],
    );
    t.same(bench.due(), ["e"], "made ahead");
    bench.sign(e);
    t.same(bench.due(), []);
    bench.sync([{ ...b, revisionNumber: 1 }]);
    t.same(bench.due(), ["b"]);
    t.same(bench.due(["bb"]).sort(), ["b", "c"]);
    bench.clock.step(1800_000);
    const watch = bench.watch(S("unix:uid:d"));
    const [held, ...others] = bench.due();
    t.equal(held, "d", "what a stream holds comes first");
    t.same(others.sort(), ["a", "b", "c", "e"]);
    bench.sync([entry("f", { selectors: S("unix:uid:f") })]);
    const waiting = bench.watch(S("unix:uid:f"));
    t.same(bench.due().slice(0, 2), ["f", "d"], "and what one waits for before that");
    t.same(
      bench.cache.due(new Set()).awaited.map(({ id }) => id),
      ["f"],
    );
    waiting.close();
    watch.close();
    t.end();
  },
);

t.test("an id that is used again for another entry does not serve the old one's SVID", (t) => {
  const bench = new Bench();
  const a = entry("a");
  bench.sync([a]);
  bench.sign(a);
  bench.sync([entry("a", { spiffeId: "spiffe://example.org/else", createdAt: 7 })]);
  const watch = bench.watch();
  t.equal(watch.settle(), false);
  t.same(watch.seen, []);
  t.same(bench.due(), ["a"]);
  t.end();
});

t.test(
  "the bound: idle SVIDs go, least recently used first; a shared selector pins nothing",
  (t) => {
    const bench = new Bench({ maxIdleSvids: 3 });
    const entries = ["a", "b", "c", "d", "e"].map((id) =>
      entry(id, { selectors: S("unix:uid:1", `unix:gid:${id}`) }),
    );
    const [a, b, c, d, e] = entries as [Entry, Entry, Entry, Entry, Entry];
    bench.sync(entries);
    bench.cache.setPolicy({ maxIdleSvids: 1, allowUnregistered: false });
    t.same(bench.due(), ["a"]);
    bench.cache.setPolicy({ maxIdleSvids: 3, allowUnregistered: false });
    t.same(bench.due(), ["a", "b", "c"], "made ahead up to the bound");
    bench.sign(a, b, c);
    t.same(bench.due(), []);
    const first = bench.watch(S("unix:uid:1", "unix:gid:d"));
    t.same(bench.due(), ["d"]);
    bench.sign(d);
    t.equal(bench.cache.svidCount, 4, "what a stream holds does not count");
    const second = bench.watch(S("unix:uid:1", "unix:gid:e"));
    bench.sign(e);
    const used = [
      bench.watch(S("unix:uid:1", "unix:gid:b")),
      bench.watch(S("unix:uid:1", "unix:gid:c")),
    ];
    t.same(
      used.map(({ seen }) => seen.length),
      [1, 1],
    );
    for (const watch of used) watch.close();
    const oldest = bench.watch(S("unix:uid:1", "unix:gid:a"));
    first.close();
    second.close();
    bench.cache.due(new Set());
    t.equal(bench.cache.svidCount, 4, "the oldest is held; of the idle ones one went");
    bench.own(2);
    t.equal(oldest.seen.length, 2, "what is held stays whole");
    oldest.close();
    bench.watch(S("unix:uid:1", "unix:gid:a")).close();
    bench.cache.due(new Set());
    t.equal(bench.cache.svidCount, 3);
    const held = (id: string): boolean =>
      bench.watch(S("unix:uid:1", `unix:gid:${id}`)).seen.length > 0;
    t.same(["d", "e", "a"].map(held), [true, true, true]);
    t.same(["b", "c"].map(held), [false, false]);
    t.end();
  },
);

t.test("prefetch is off where the entry says so; stored SVIDs are no workload's", (t) => {
  const bench = new Bench();
  const late = entry("late", { disableX509SvidPrefetch: true });
  const stored = entry("stored", { storeSvid: true });
  bench.sync([late, stored]);
  t.same(bench.due(), []);
  const watch = bench.watch();
  t.same(bench.due(), ["late"]);
  bench.sign(late);
  t.same(watch.seen, ["x509 spiffe://example.org/late#0.0 example.org@1"]);
  t.end();
});

t.test("an entry that groups agents is nobody's: not made ahead, not matched", (t) => {
  const bench = new Bench();
  bench.sync([entry("group", { isNodeAlias: true })]);
  t.same(bench.due(), []);
  const watch = bench.watch();
  t.same(watch.seen, ["none"]);
  t.same(bench.due(), []);
  t.equal(bench.cache.entryCount, 1, "it is known, for whoever asks why");
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

t.test("an SVID store survives a clock that is set back", (t) => {
  const store = new SvidStore(10);
  const a = entry("a");
  store.failed(a, 1e12);
  t.same(store.due([a], 1e12, new Set()).others, []);
  t.same(store.due([a], 1e12 - 3600_000, new Set()).others, [a]);
  t.end();
});

t.test(
  "JWT-SVIDs: cached by ID and sorted audiences, renewed at half life, shared while signed",
  async (t) => {
    const clock = new VirtualClock();
    const asked: string[] = [];
    let answer: (() => Promise<JwtSvid>) | undefined;
    const cache = new JwtCache({
      clock,
      random: { bytes: (n) => new Uint8Array(n), unit: () => 0.5 },
      max: 2,
      sign: async (one, audience) => {
        asked.push([one.id, ...audience].join(" "));
        if (answer !== undefined) return answer();
        const issuedAt = clock.nowMs() / 1000;
        return {
          spiffeId: one.spiffeId,
          token: `t${asked.length}`,
          keyId: "k1",
          issuedAt,
          expiresAt: issuedAt + 300,
        };
      },
    });
    const a = entry("a");
    const fetch = async (one: Entry, ...audience: string[]): Promise<string> =>
      (await cache.fetch(one, audience)).token;
    t.same(await Promise.all([fetch(a, "x", "y"), fetch(a, "y", "x"), fetch(a, "x", "y", "x")]), [
      "t1",
      "t1",
      "t1",
    ]);
    t.equal(await fetch(a, "x"), "t2");
    t.equal(await fetch(entry("b"), "x"), "t3");
    t.equal(asked.length, 3);
    t.equal(await fetch(a, "y", "x"), "t4", "the least recently used made room");
    clock.step(149_000);
    t.equal(await fetch(a, "x", "y"), "t4");
    clock.step(2000);
    answer = () => Promise.reject(fail("unavailable", "away"));
    t.equal(await fetch(a, "x", "y"), "t4", "the server is away: the old one while it lives");
    answer = () => Promise.reject(fail("denied", "no"));
    await t.rejects(
      fetch(a, "x", "y"),
      { name: "AssayError", kind: "denied" },
      "a refusal is an answer",
    );
    answer = () => Promise.reject(fail("unavailable", "away"));
    clock.step(149_000);
    await t.rejects(
      fetch(a, "x", "y"),
      { name: "AssayError", kind: "unavailable" },
      "expired ones are never served",
    );
    answer = undefined;
    const token = await fetch(a, "x", "y");
    cache.retain(new Set(["k1"]));
    t.equal(await fetch(a, "x", "y"), token);
    cache.retain(new Set(["k2"]));
    t.ok((await fetch(a, "x", "y")) !== token, "its key is tainted or gone");
    const unique = entry("u", { jwtSvidIncludeJti: true });
    const tokens = await Promise.all([fetch(unique, "x"), fetch(unique, "x"), fetch(unique, "x")]);
    t.equal(new Set(tokens).size, 3, "with jti every token is another");
  },
);

t.test("a held token's message is made once, for the hint of its entry", (t) => {
  const frames = new JwtFrames();
  const token = (name: string): JwtSvid => ({
    spiffeId: `spiffe://example.org/${name}`,
    token: `${name}.b.c`,
    keyId: "k",
    issuedAt: 0,
    expiresAt: 300,
  });
  const told = (frame: Uint8Array): string[] => {
    const { svids } = messageType("JWTSVIDResponse").decode(
      messageOf(frame),
    ) as JWTSVIDResponse__Output;
    return svids.map(({ spiffe_id, svid, hint }) => `${spiffe_id} ${svid} ${hint}`);
  };
  const [one, two] = [token("one"), token("two")];
  const frame = frames.of([entry("one", { hint: "x" })], [one]);
  t.same(told(frame), ["spiffe://example.org/one one.b.c x"]);
  t.equal(frames.of([entry("one", { hint: "x" })], [one]), frame);
  t.same(told(frames.of([entry("one", { hint: "y" })], [one])), [
    "spiffe://example.org/one one.b.c y",
  ]);
  t.same(told(frames.of([entry("one", { hint: "y" }), entry("two")], [one, two])), [
    "spiffe://example.org/one one.b.c y",
    "spiffe://example.org/two two.b.c ",
  ]);
  t.same(told(frames.of([entry("one")], [{ ...one, token: "d.e.f" }])), [
    "spiffe://example.org/one d.e.f ",
  ]);
  t.end();
});

t.test("authorities that are tainted or gone are remembered", async (t) => {
  const { generateKey } = await import("../../src/keys/software-signer.ts");
  const { signCa } = await import("../../src/x509/sign.ts");
  const { distinguishedName } = await import("../../src/x509/names.ts");
  const { parseCertificate } = await import("../../src/x509/certificate.ts");
  const authority = async (n: number) => {
    const { signer } = await generateKey("ec-p256");
    const name = distinguishedName([{ type: "O", value: `CA ${n}` }]);
    const der = await signCa(
      {
        serial: Uint8Array.of(n),
        issuer: name,
        subject: name,
        notBefore: 0,
        notAfter: 2_000_000_000,
        publicKey: signer.publicKey,
      },
      signer,
    );
    return { der, tainted: false, keyId: parseCertificate(der).subjectKeyId ?? "" };
  };
  const [one, two] = [await authority(1), await authority(2)];
  const jwt = { keyId: "j", publicKey: new Uint8Array(), expiresAt: 0, tainted: false };
  const watch = new AuthorityWatch();
  const with_ = (x509Authorities: Bundle["x509Authorities"], jwtAuthorities = [jwt]): Bundle => ({
    ...bundle("example.org"),
    x509Authorities,
    jwtAuthorities,
  });
  t.equal(watch.see(with_([one, two])), false);
  t.equal(watch.lost.size, 0);
  t.same([...watch.jwtKeyIds], ["j"]);
  t.equal(watch.see(with_([{ ...one, tainted: true }, two], [{ ...jwt, tainted: true }])), true);
  t.same([...watch.lost], [one.keyId]);
  t.equal(watch.jwtKeyIds.size, 0);
  t.equal(watch.see(with_([two])), false, "known already");
  t.equal(watch.see(with_([])), true);
  t.same([...watch.lost].sort(), [one.keyId, two.keyId].sort());
});
