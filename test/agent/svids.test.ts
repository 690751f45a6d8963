/** The SVIDs that an agent holds: which are made, which are served, and when they are made anew. */
import t from "tap";
import { AuthorityWatch } from "../../src/agent/cache/authority-watch.ts";
import { type Entry, entryVersion } from "../../src/agent/cache/entry.ts";
import { JwtCache, type JwtSvid } from "../../src/agent/cache/jwt-cache.ts";
import { SvidStore } from "../../src/agent/cache/svid-store.ts";
import { JwtFrames } from "../../src/agent/workload-api/jwt-frames.ts";
import { fail } from "../../src/base/errors.ts";
import type { JWTSVIDResponse__Output } from "../../src/rpc/gen/JWTSVIDResponse.ts";
import { messageOf } from "../../src/rpc/grpc/frame.ts";
import { messageType } from "../../src/rpc/protos.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { S, entry, bundle, Bench } from "./cache-bench.ts";

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

t.test("a clock that was set back stops no renewal", (t) => {
  const bench = new Bench();
  const a = entry("a");
  bench.sync([a]);
  bench.sign(a);
  bench.clock.step(-20 * 60_000);
  t.same(bench.due(), [], "a little is borne");
  bench.clock.step(-24 * 3600_000);
  t.same(bench.due(), ["a"]);
  bench.sign(a);
  t.same(bench.due(), [], "the new one is of this time");
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

t.test(
  "one update that changes nothing in a certificate leaves it; any other makes it anew",
  (t) => {
    const whole = { dnsNames: ["a.example.org"], x509SvidTtl: 60, revisionNumber: 4, createdAt: 7 };
    const cases: readonly [string, Partial<Entry>, "kept" | "anew"][] = [
      ["hint", { hint: "x" }, "kept"],
      ["federation", { federatesWith: ["else.example"] }, "kept"],
      ["end", { expiresAt: 2_000_000_000 }, "kept"],
      ["admin", { admin: true }, "kept"],
      ["selectors", { selectors: S("unix:uid:1", "unix:gid:1") }, "anew"],
      ["names", { dnsNames: ["b.example.org"] }, "anew"],
      ["no names", { dnsNames: [] }, "anew"],
      ["names in another order or cut", { dnsNames: ["a.example", "org"] }, "anew"],
      ["life", { x509SvidTtl: 61 }, "anew"],
      ["hint and life", { hint: "x", x509SvidTtl: 0 }, "anew"],
      ["nothing to be seen: an operator wants it, or claims changed", {}, "anew"],
      ["two updates, one of which may be such", { hint: "x", revisionNumber: 6 }, "anew"],
      ["an older revision", { hint: "x", revisionNumber: 3 }, "anew"],
      ["another entry with the id", { hint: "x", createdAt: 8 }, "anew"],
    ];
    for (const [name, change, outcome] of cases) {
      const bench = new Bench();
      const before = entry("a", whole);
      bench.sync([before]);
      bench.sign(before);
      bench.sync([{ ...before, revisionNumber: 5, ...change }]);
      t.same(bench.due(), outcome === "kept" ? [] : ["a"], name);
      bench.sync([{ ...before, revisionNumber: 6, ...change, hint: "later" }]);
      t.same(bench.due(), outcome === "kept" ? [] : ["a"], `${name}, and a hint after it`);
    }
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

t.test("an SVID store survives a clock that is set back", (t) => {
  const store = new SvidStore(10);
  const a = entry("a");
  store.failed(a, 1e12);
  t.same(store.due([a], 1e12, new Set()).ahead, []);
  t.same(store.due([a], 1e12 - 3600_000, new Set()).ahead, [a]);
  t.end();
});

t.test("what cannot be replaced is tried the sooner the less is left of it", (t) => {
  const store = new SvidStore(10);
  const a = entry("a");
  store.hold([a.id]);
  store.put({
    entryId: a.id,
    version: entryVersion(a),
    spiffeId: a.spiffeId,
    chain: new Uint8Array(),
    key: new Uint8Array(),
    expiresAt: 100,
    renewAtMs: 0,
    authorityId: "",
  });
  const tries: number[] = [];
  for (let nowMs = 0; nowMs < 95_000; nowMs += 100) {
    if (store.due([a], nowMs, new Set()).others.length === 0) continue;
    tries.push(nowMs);
    store.failed(a, nowMs);
  }
  const gaps = tries.slice(1).map((at, i) => at - (tries[i] ?? 0));
  t.same(gaps.slice(0, 3), [5000, 10_000, 20_000], "ever more seldom at first");
  t.ok(
    gaps.every((gap) => gap >= 5000),
    `no storm: ${gaps.join()}`,
  );
  t.ok(tries.filter((at) => at >= 70_000).length >= 2, `in time: ${tries.join()}`);
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
    t.equal(cache.held(a, ["y", "x"])?.token, "t4", "what needs no asking is there at once");
    clock.step(2000);
    t.equal(cache.held(a, ["x", "y"]), undefined, "it is to be made anew");
    t.equal(cache.held(a, ["z"]), undefined);
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
    t.equal(cache.held(unique, ["x"]), undefined);
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
