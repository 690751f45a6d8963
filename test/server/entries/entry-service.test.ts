import t, { type Test } from "tap";
import { Metrics } from "../../../src/observe/metrics.ts";
import type { AssayError } from "../../../src/base/errors.ts";
import type { Random } from "../../../src/base/random.ts";
import { type LogFields, silentLogger } from "../../../src/observe/logger.ts";
import type { Datastore, EntryRecord } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import type { EntryDraft } from "../../../src/server/entries/draft.ts";
import { EntryIds } from "../../../src/server/entries/entry-id.ts";
import { startEntryPruner } from "../../../src/server/entries/entry-pruner.ts";
import {
  type BatchResult,
  EntryService,
  MAX_BATCH,
} from "../../../src/server/entries/entry-service.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { rejectsWith } from "../datastore/samples.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";

const AGENT = "spiffe://example.org/spire/agent/join_token/a";
const uid = (n: number) => [{ type: "unix", value: `uid:${n}` }];

function draft(over: Partial<EntryDraft> = {}): EntryDraft {
  return {
    spiffeId: "spiffe://example.org/workload",
    parentId: AGENT,
    selectors: uid(1000),
    ...over,
  };
}

/** A counter in place of chance. */
function countingRandom(): Random {
  let next = 0;
  return { bytes: (length) => new Uint8Array(length).fill(++next & 0xff), unit: () => 0.5 };
}

interface Rig {
  readonly store: Datastore;
  readonly clock: VirtualClock;
  readonly service: EntryService;
  readonly random: Random;
}

function check(title: string, body: (t: Test, rig: Rig) => Promise<void>, reach = 86_400) {
  return t.test(title, async (t) => {
    const clock = new VirtualClock();
    const random = countingRandom();
    await using store = await openSqliteDatastore({
      path: ":memory:",
      clock,
      logger: silentLogger,
    });
    const service = new EntryService({
      store,
      trustDomain: TrustDomain.parse("example.org"),
      clock,
      random,
      ttlReachSeconds: () => reach,
    });
    await body(t, { store, clock, service, random });
  });
}

function value(result: BatchResult<EntryRecord> | undefined): EntryRecord {
  if (result === undefined || "error" in result) {
    throw new Error("expected a value", { cause: result?.error });
  }
  return result.value;
}

function errorOf(result: BatchResult<EntryRecord> | undefined): AssayError {
  if (result === undefined || !("error" in result)) throw new Error("expected an error");
  return result.error;
}

await check("a draft becomes a complete record", async (t, { service, store, clock }) => {
  await store.transaction((w) => w.bundles.put("b.example", "{}"));
  await store.transaction((w) => w.bundles.put("a.example", "{}"));
  const [bare, full] = await service.create([
    draft(),
    draft({
      id: "my.own_id-1",
      selectors: [...uid(2), { type: "unix", value: "gid:1" }, ...uid(2)],
      x509SvidTtl: 60,
      jwtSvidTtl: 30,
      federatesWith: ["spiffe://b.example", "a.example", "b.example"],
      admin: true,
      downstream: true,
      expiresAt: 4_102_444_800,
      dnsNames: ["z.example.org", "*.example.org", "z.example.org"],
      hint: "h",
      disableX509SvidPrefetch: true,
      jwtSvidIncludeJti: true,
    }),
  ]);
  const now = clock.nowMs() / 1000;
  t.match(value(bare).id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.same(value(bare), {
    id: value(bare).id,
    spiffeId: "spiffe://example.org/workload",
    parentId: AGENT,
    selectors: uid(1000),
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
    createdAt: now,
  });
  t.same(value(full), {
    ...value(bare),
    id: "my.own_id-1",
    selectors: [{ type: "unix", value: "gid:1" }, ...uid(2)],
    x509SvidTtl: 60,
    jwtSvidTtl: 30,
    federatesWith: ["a.example", "b.example"],
    admin: true,
    downstream: true,
    expiresAt: 4_102_444_800,
    dnsNames: ["z.example.org", "*.example.org"],
    hint: "h",
    disableX509SvidPrefetch: true,
    jwtSvidIncludeJti: true,
  });
  t.same(await service.get("my.own_id-1"), value(full));
  t.equal(await service.count({}), 2);
  t.same((await service.list({ hint: "h" })).items, [value(full)]);
});

await check("hostile drafts, each refused by its own rule", async (t, { service, store }) => {
  const many = <T>(count: number, make: (i: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const cases: [string, Partial<EntryDraft>, RegExp][] = [
    ["no SPIFFE ID", { spiffeId: "" }, /SPIFFE ID is empty/],
    ["a foreign SPIFFE ID", { spiffeId: "spiffe://other.org/w" }, /not in the trust domain/],
    ["a trust domain ID", { spiffeId: "spiffe://example.org" }, /has no path/],
    ["upper case", { spiffeId: "spiffe://Example.org/w" }, /lower case/],
    ["an empty segment", { spiffeId: "spiffe://example.org/a//b" }, /empty segments/],
    ["a dot segment", { spiffeId: "spiffe://example.org/a/../b" }, /dot segments/],
    ["a query", { spiffeId: "spiffe://example.org/a?b" }, /limited to/],
    ["the server's ID", { spiffeId: "spiffe://example.org/spire/server" }, /reserved/],
    ["the reserved root", { spiffeId: "spiffe://example.org/spire" }, /reserved/],
    ["an agent's ID", { spiffeId: AGENT }, /reserved/],
    [
      "an overlong ID",
      { spiffeId: `spiffe://example.org/${"a".repeat(2048)}` },
      /longer than 2048/,
    ],
    ["no parent", { parentId: "" }, /SPIFFE ID is empty/],
    ["a foreign parent", { parentId: "spiffe://other.org/spire/agent/x" }, /parent ID .* not in/],
    ["a parent without path", { parentId: "spiffe://example.org" }, /parent ID .* no path/],
    ["no selectors", { selectors: [] }, /at least one selector/],
    ["no selector type", { selectors: [{ type: "", value: "x" }] }, /type is missing/],
    ["no selector value", { selectors: [{ type: "x", value: "" }] }, /value is missing/],
    ["a colon in the type", { selectors: [{ type: "a:b", value: "x" }] }, /contains ':'/],
    ["257 selectors", { selectors: many(257, (i) => uid(i)).flat() }, /at most 256 selectors/],
    ["an overlong selector", { selectors: [{ type: "a", value: "b".repeat(5000) }] }, /longer/],
    ["a negative x509 ttl", { x509SvidTtl: -1 }, /x509 SVID ttl/],
    ["a fractional ttl", { x509SvidTtl: 1.5 }, /x509 SVID ttl/],
    ["a ttl that is no number", { jwtSvidTtl: Number.NaN }, /jwt SVID ttl/],
    ["a ttl beyond int32", { jwtSvidTtl: 2 ** 31 }, /jwt SVID ttl/],
    ["a negative expiry", { expiresAt: -1 }, /expiry/],
    ["an infinite expiry", { expiresAt: Number.POSITIVE_INFINITY }, /expiry/],
    ["an empty dns name", { dnsNames: [""] }, /dns name/],
    ["two wildcards", { dnsNames: ["*.*.example.org"] }, /dns name/],
    ["65 dns names", { dnsNames: many(65, (i) => `a${i}.org`) }, /at most 64 dns names/],
    ["a bad trust domain", { federatesWith: ["UPPER"] }, /trust domain/],
    ["129 trust domains", { federatesWith: many(129, (i) => `td${i}`) }, /at most 128/],
    ["an overlong hint", { hint: "\u00e9".repeat(513) }, /hint is longer than 1024 bytes/],
    ["an id with a slash", { id: "a/b" }, /entry id/],
    ["an id with a line break", { id: "a\n" }, /entry id/],
    ["an overlong id", { id: "a".repeat(256) }, /entry id/],
    [
      "mixed types, stored",
      { storeSvid: true, selectors: [...uid(1), { type: "k8s", value: "ns:x" }] },
      /one type/,
    ],
    ["stored without prefetch", { storeSvid: true, disableX509SvidPrefetch: true }, /prefetch/],
  ];
  const results = await service.create(cases.map(([, over]) => draft(over)));
  for (const [i, [title, , rule]] of cases.entries()) {
    t.match(errorOf(results[i]), { kind: "invalid", message: rule }, title);
  }
  t.equal(await service.count({}), 0);
  const limits = await service.create([
    draft({ id: "a".repeat(255), hint: "\u00e9".repeat(512), x509SvidTtl: 2 ** 31 - 1 }),
    draft({ selectors: many(256, (i) => uid(i)).flat(), dnsNames: many(64, (i) => `a${i}.org`) }),
    draft({ parentId: "spiffe://example.org/spire/server" }),
    draft({ parentId: "spiffe://example.org/some/entry", storeSvid: true }),
    draft({ spiffeId: "spiffe://example.org/spirex", id: "" }),
  ]);
  for (const result of limits) t.ok("value" in result, "the bounds themselves are fine");

  // The same rules hold for updates, and a refused update changes nothing.
  const { id } = value(limits[2]);
  const before = await service.get(id);
  const patches = cases.filter(([, over]) => !("id" in over)).map(([, over]) => ({ ...over, id }));
  for (const [i, result] of (await service.update(patches)).entries()) {
    t.equal(errorOf(result).kind, "invalid", cases[i]?.[0] ?? "");
  }
  t.same(await store.entries.get(id), before);
});

await check("one item's trouble is not the others'", async (t, { service }) => {
  const results = await service.create(
    [
      draft({ id: "one" }),
      draft({ id: "two" }),
      draft({ id: "one", selectors: uid(2) }),
      draft({ selectors: [] }),
      draft({ selectors: uid(3), federatesWith: ["unknown.example"] }),
      draft({ id: "three", selectors: uid(4) }),
      draft({ id: "one" }),
    ],
    { bundlesRequired: true },
  );
  t.same(
    results.map((result) => ("error" in result ? result.error.kind : result.value.id)),
    ["one", "exists", "exists", "invalid", "precondition", "three", "exists"],
  );
  const existing = results.map((result) => ("error" in result ? result.existing?.id : undefined));
  t.same(existing, [undefined, "one", undefined, undefined, undefined, undefined, "one"]);
  t.match(errorOf(results[4]).message, /unknown\.example.*set it first \(assay bundle set\)/);
  t.equal(await service.count({}), 2);

  const updates = await service.update(
    [
      { id: "three", selectors: uid(1000) },
      { id: "none", hint: "x" },
      { id: "", hint: "x" },
      { id: "three", federatesWith: ["unknown.example"] },
      { id: "three", hint: "kept" },
    ],
    { bundlesRequired: true },
  );
  t.same(
    updates.map((result) => ("error" in result ? result.error.kind : result.value.id)),
    ["exists", "not_found", "invalid", "precondition", "three"],
  );
  t.match(updates[0], { existing: { id: "one" } }, "it would have become similar to it");
  t.equal((await service.get("three")).hint, "kept");

  const deletes = await service.delete(["none", "three", "", "three"]);
  t.same(
    deletes.map((result) => ("error" in result ? result.error.kind : result.value.id)),
    ["not_found", "three", "invalid", "not_found"],
  );
  await rejectsWith(t, "not_found", () => service.get("three"));
  await rejectsWith(t, "invalid", () => service.get(""));
  await rejectsWith(t, "invalid", () => service.delete(Array(MAX_BATCH + 1).fill("x")));
  t.same(await service.create([]), []);
});

await check(
  "an update replaces the fields it names and no others",
  async (t, { service, store }) => {
    await store.transaction((w) => w.bundles.put("td", "{}"));
    const [made] = await service.create([
      draft({
        x509SvidTtl: 60,
        hint: "h",
        admin: true,
        dnsNames: ["a.org"],
        federatesWith: ["td"],
        expiresAt: 4_102_444_800,
      }),
    ]);
    const old = value(made);
    const steps: [Partial<EntryDraft>, Partial<EntryRecord>][] = [
      [{}, {}],
      [{ hint: "" }, { hint: "" }],
      [
        { admin: false, downstream: true },
        { admin: false, downstream: true },
      ],
      [{ selectors: uid(5) }, { selectors: uid(5) }],
      [
        { dnsNames: [], federatesWith: [] },
        { dnsNames: [], federatesWith: [] },
      ],
      [
        { expiresAt: 0, x509SvidTtl: 0 },
        { expiresAt: 0, x509SvidTtl: 0 },
      ],
      [
        { storeSvid: true, jwtSvidIncludeJti: true },
        { storeSvid: true, jwtSvidIncludeJti: true },
      ],
      [{ spiffeId: "spiffe://example.org/n" }, { spiffeId: "spiffe://example.org/n" }],
      [{ parentId: "spiffe://example.org/p" }, { parentId: "spiffe://example.org/p" }],
    ];
    let want = old;
    for (const [patch, change] of steps) {
      want = { ...want, ...change, revisionNumber: want.revisionNumber + 1 };
      const [result] = await service.update([{ ...patch, id: old.id }]);
      t.same(value(result), want, JSON.stringify(patch));
      t.same(await service.get(old.id), want);
    }
    const [mixed] = await service.update([
      { id: old.id, selectors: [...uid(1), { type: "k8s", value: "ns:x" }] },
    ]);
    t.match(errorOf(mixed).message, /one type/, "rules between fields see the result");
  },
);

await check(
  "warnings",
  async (t, { service, clock }) => {
    const now = clock.nowMs() / 1000;
    const results = await service.create([
      draft({ selectors: uid(1), x509SvidTtl: 3600, jwtSvidTtl: 3600 }),
      draft({ selectors: uid(2), x509SvidTtl: 5400 }),
      draft({ selectors: uid(3), jwtSvidTtl: 9000, expiresAt: now }),
      draft({ selectors: uid(4), expiresAt: now + 1 }),
    ]);
    const warnings = results.map((result) => ("error" in result ? [] : (result.warnings ?? [])));
    t.same(
      warnings.map((list) => list.length),
      [0, 1, 2, 0],
    );
    t.match(warnings[1]?.[0], /x509 SVID ttl of 1h30m .* \(1h now\)/);
    t.match(warnings[2]?.[0], /jwt SVID ttl of 2h30m/);
    t.match(warnings[2]?.[1], /expiry is in the past/);
  },
  3600,
);

await check(
  "an unforeseen error rolls the whole batch back",
  async (t, { store, clock, random }) => {
    const service = new EntryService({
      store,
      trustDomain: TrustDomain.parse("example.org"),
      clock,
      random,
      ttlReachSeconds: () => {
        throw new Error("no authority");
      },
    });
    await t.rejects(service.create([draft({ id: "a" })]), { message: "no authority" });
    t.equal(await service.count({}), 0);
  },
);

await check("concurrent batches", async (t, { service }) => {
  const batches = await Promise.all(
    Array.from({ length: 10 }, (_, b) =>
      service.create(
        Array.from({ length: 50 }, (_, i) => draft({ selectors: uid((b * 25 + i) % 300) })),
      ),
    ),
  );
  const made = batches.flat().filter((result) => "value" in result);
  t.equal(made.length, 275, "each selector set once");
  t.equal(await service.count({}), 275);
  t.ok(batches.flat().every((result) => "value" in result || result.existing !== undefined));
});

await check("pruning", async (t, { service, store, clock, random }) => {
  const now = clock.nowMs() / 1000;
  const logged: LogFields[] = [];
  await service.create([
    draft({ id: "never", selectors: uid(1) }),
    draft({ id: "past", selectors: uid(2), expiresAt: now - 1 }),
    draft({ id: "soon", selectors: uid(3), expiresAt: now + 60 }),
    draft({ id: "later", selectors: uid(4), expiresAt: now + 600 }),
  ]);
  await service.create(
    Array.from({ length: 1200 }, (_, i) => draft({ selectors: uid(10 + i), expiresAt: now + 100 })),
  );
  const logger = {
    ...silentLogger,
    info: (_: string, fields: LogFields = {}): void => void logged.push(fields),
  };
  await using _pruner = startEntryPruner({ store, clock, random, logger, metrics: new Metrics() });
  await settle();
  t.equal(await service.count({}), 1203, "at once");
  t.match(logged, [{ entryId: "past", spiffeId: draft().spiffeId, parentId: AGENT }]);
  await clock.advance(299_000);
  t.equal(await service.count({}), 1203);
  await clock.advance(1000);
  for (let i = 0; i < 10; i++) await settle();
  t.same(
    (await service.list({})).items.map(({ id }) => id),
    ["later", "never"],
  );
  await clock.advance(601_000);
  t.same(
    (await service.list({})).items.map(({ id }) => id),
    ["never"],
  );
});

t.test("entry ids rise, whatever the clock does", async (t) => {
  const clock = new VirtualClock();
  const ids = new EntryIds(clock, countingRandom());
  const made: string[] = [];
  for (let i = 0; i < 10_000; i++) made.push(ids.next());
  clock.step(-60_000);
  for (let i = 0; i < 100; i++) made.push(ids.next());
  clock.step(120_000);
  for (let i = 0; i < 100; i++) made.push(ids.next());
  t.equal(new Set(made).size, made.length);
  t.same([...made].sort(), made);
  t.ok(
    made.every((id) =>
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id),
    ),
  );
});
