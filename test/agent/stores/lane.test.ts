/** One store's lane with a store whose answers the test gives: order, retries, and what is known of what lies where. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Place, StoredSvid, SvidBackend } from "../../../src/agent/stores/contract.ts";
import { authorityOf } from "../../../src/agent/identity/agent-svid.ts";
import { Ledger } from "../../../src/agent/stores/ledger.ts";
import { StoredSvids } from "../../../src/agent/stores/stored-svids.ts";
import { StoreLane, type Wish } from "../../../src/agent/stores/store-lane.ts";
import { fail } from "../../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { parseCsr } from "../../../src/x509/csr.ts";
import { S, entry } from "../cache-bench.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { TestCa } from "../../support/test-ca.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";

class Scripted implements SvidBackend {
  readonly name = "shelf";
  readonly done: string[] = [];
  /** Thrown by what is done at a place, or with `*` by everything. */
  readonly errors = new Map<string, Error>();

  check(place: Place): void {
    if (place.get("name") === "bad") throw fail("invalid", "there is no such shelf");
  }

  async put(place: Place, { hint }: StoredSvid): Promise<string> {
    this.#do(`put ${place.get("name")} ${hint}`, place);
    return `handle of ${hint}`;
  }

  async remove(place: Place, handle: string | undefined): Promise<void> {
    this.#do(`remove ${place.get("name")} ${handle ?? "without handle"}`, place);
  }

  #do(what: string, place: Place): void {
    this.done.push(what);
    const error = this.errors.get("*") ?? this.errors.get(place.get("name") ?? "");
    if (error !== undefined) throw error;
  }
}

interface Rig {
  readonly lane: StoreLane;
  readonly store: Scripted;
  readonly clock: VirtualClock;
  readonly outcomes: string[];
  readonly ledgerFile: string;
  readonly ledger: Ledger;
}

function rig(
  t: Test,
  dir = mkdtempSync(join(tmpdir(), "assay-lane-")),
): Rig & { readonly dir: string } {
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const ledgerFile = join(dir, "ledger.json");
  const ledger = new Ledger(ledgerFile, silentLogger);
  const store = new Scripted();
  const clock = new VirtualClock();
  const outcomes: string[] = [];
  const lane = new StoreLane({
    backend: store,
    ledger,
    clock,
    random: new SeededRandom(),
    logger: silentLogger,
    onOutcome: (_store, outcome) => outcomes.push(outcome),
  });
  t.teardown(() => lane[Symbol.asyncDispose]());
  return { lane, store, clock, outcomes, ledgerFile, ledger, dir };
}

function wish(entryId: string, name: string, version: string | undefined): Wish {
  const svid = {
    spiffeId: `spiffe://example.org/${entryId}`,
    hint: version ?? "",
    expiresAt: 0,
    chain: [],
    key: new Uint8Array([1]),
    bundle: [],
    federated: new Map(),
  };
  return {
    entryId,
    selectors: [{ type: "shelf", value: `name:${name}` }],
    place: new Map([["name", name]]),
    svid: version === undefined ? undefined : svid,
  };
}

/** What the store was asked, once that many outcomes have been told since the last time. */
async function done({ store, outcomes }: Rig, count: number): Promise<string[]> {
  while (outcomes.length < count) await settle();
  outcomes.splice(0);
  return store.done.splice(0);
}

t.test("what is equal is put once; what is not signed stays; what goes is removed", async (t) => {
  const bench = rig(t);
  bench.lane.want([wish("a", "one", "1"), wish("b", "two", "1")]);
  t.same(await done(bench, 2), ["put one 1", "put two 1"]);
  bench.lane.want([wish("a", "one", "1"), wish("b", "two", "2")]);
  t.same(await done(bench, 1), ["put two 2"]);
  bench.lane.want([wish("a", "one", undefined), wish("b", "three", "2")]);
  t.same(await done(bench, 2), ["remove two handle of 2", "put three 2"]);
  bench.lane.want([]);
  t.same(await done(bench, 2), ["remove one handle of 1", "remove three handle of 2"]);
  t.same(bench.ledger.lines(), []);
  t.equal(bench.lane.count, 0);
});

t.test("the list is on disk before the store is asked", async (t) => {
  const bench = rig(t);
  let listed = "";
  bench.store.put = async () => {
    listed = existsSync(bench.ledgerFile) ? readFileSync(bench.ledgerFile, "utf8") : "nothing";
    bench.store.done.push("asked");
    throw fail("unavailable", "the answer never came");
  };
  bench.lane.want([wish("a", "one", "1")]);
  await done(bench, 1);
  t.match(JSON.parse(listed), [
    { entryId: "a", selectors: [{ type: "shelf", value: "name:one" }] },
  ]);
  // The agent ends here; the next one does not want it any more.
  await bench.lane[Symbol.asyncDispose]();
  const next = rig(t, bench.dir);
  next.lane.want([]);
  t.same(await done(next, 1), ["remove one without handle"]);
});

t.test("one that is refused holds up no other and is tried later, ever later", async (t) => {
  const bench = rig(t);
  bench.store.errors.set("one", fail("conflict", "somebody else's"));
  const wishes = [wish("a", "one", "1"), wish("b", "two", "1"), wish("c", "bad", "1")];
  bench.lane.want(wishes);
  t.same(await done(bench, 3), ["put one 1", "put two 1"]);
  bench.lane.want(wishes);
  await settle();
  t.same(bench.store.done, [], "not again at once");
  for (let step = 0; step < 5; step += 1) {
    await bench.clock.advance(2000);
    await settle();
    bench.lane.want(wishes);
    await settle();
  }
  t.same(await done(bench, 2), ["put one 1"], "after 5 s");
  bench.store.errors.clear();
  // Something else is asked for: what failed may go now.
  bench.lane.want([wish("a", "one", "1"), wish("b", "two", "1")]);
  t.same(await done(bench, 1), ["put one 1"]);
});

t.test("a store that is away is left alone, as a whole, until its time", async (t) => {
  const bench = rig(t);
  bench.store.errors.set("*", fail("unavailable", "away"));
  bench.lane.want([wish("a", "one", "1"), wish("b", "two", "1")]);
  t.same(await done(bench, 1), ["put one 1"], "the second is not asked for");
  bench.store.errors.clear();
  await bench.clock.advance(1000);
  t.same(await done(bench, 2), ["put two 1", "put one 1"]);
});

t.test("one for which the store always seems to be away starves no other", async (t) => {
  const bench = rig(t);
  bench.store.errors.set("one", fail("unavailable", "status 500"));
  bench.store.errors.set("two", fail("unavailable", "status 500"));
  const wishes = ["one", "two", "three", "four"].map((name) => wish(name, name, "1"));
  bench.lane.want(wishes);
  t.same(await done(bench, 1), ["put one 1"]);
  await bench.clock.advance(2000);
  t.same(await done(bench, 1), ["put two 1"]);
  await bench.clock.advance(3000);
  t.same(await done(bench, 3), ["put three 1", "put four 1", "put one 1"]);
});

t.test("what could not be taken away is not taken away from under its successor", async (t) => {
  const bench = rig(t);
  bench.lane.want([wish("a", "one", "1")]);
  await done(bench, 1);
  bench.store.errors.set("one", fail("denied", "not now"));
  bench.lane.want([wish("b", "one", "2")]);
  t.same(await done(bench, 2), ["remove one handle of 1", "put one 2"], "neither may");
  bench.store.errors.clear();
  // Another wish lets what failed be tried at once; the removal alone goes wrong.
  const remove = bench.store.remove.bind(bench.store);
  bench.store.remove = async (place, handle) => {
    await remove(place, handle);
    throw fail("denied", "not now");
  };
  bench.lane.want([wish("b", "one", "2"), wish("c", "other", "1")]);
  t.same(await done(bench, 3), ["remove one handle of 1", "put one 2", "put other 1"]);
  bench.store.remove = remove;
  t.same(
    bench.ledger.lines().map(({ entryId }) => entryId),
    ["b", "c"],
  );
  bench.lane.want([wish("b", "one", "2")]);
  t.same(await done(bench, 1), ["remove other handle of 1"]);
});

t.test("what a store holds and is replaced in vain goes round with a pause", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "assay-stored-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const ca = await TestCa.create({ trustDomain: "example.org" });
  const clock = new VirtualClock();
  let signed = 0;
  const stored = await StoredSvids.open({
    config: {
      svidStores: { file: { folder: dir, keyMode: "0600" } },
      trustDomain: "example.org",
      dataDir: dir,
      workloadKeyType: "ec-p256",
    },
    signer: {
      signX509Svids: async ([request]) => {
        if (request === undefined) throw new Error("nothing is asked for");
        signed += 1;
        const { publicKey, uris } = parseCsr(request.csr);
        const { der } = await ca.leaf({ publicKey, uris });
        return [{ chain: [der] }];
      },
    },
    clock,
    random: new SeededRandom(),
    logger: silentLogger,
    metrics: new Metrics(),
    isFading: () => false,
  });
  await using _stored = stored;
  /** As long as several more would take. */
  const work = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) {
      await ca.leaf();
      await clock.advance(0);
    }
  };
  const entries = new Map([["e", { ...entry("e"), selectors: S("file:name:e"), storeSvid: true }]]);
  stored.see({ entries, own: ca.bundle(), foreign: new Map() }, undefined);
  await work();
  t.equal(signed, 1);
  stored.replace(new Set([authorityOf([parseCertificate((await ca.leaf()).der)])]));
  await work();
  t.equal(signed, 2);
  await clock.advance(6000);
  await work();
  t.equal(signed, 3);
});

t.test("how many entries there are above the bound is said once", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "assay-stored-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const said: unknown[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (message, fields) => said.push([message, fields]),
    child: () => logger,
  };
  await using stored = await StoredSvids.open({
    config: {
      svidStores: {},
      trustDomain: "example.org",
      dataDir: dir,
      workloadKeyType: "ec-p256",
    },
    signer: { signX509Svids: async () => [] },
    clock: new VirtualClock(),
    random: new SeededRandom(),
    logger,
    metrics: new Metrics(),
    isFading: () => true,
  });
  const see = (count: number): void => {
    const entries = new Map(
      Array.from({ length: count }, (_, i) => [`e${i}`, { ...entry(`e${i}`), storeSvid: true }]),
    );
    const own = {
      trustDomain: "example.org",
      x509Authorities: [],
      jwtAuthorities: [],
      refreshHint: 0,
      sequence: 1,
    };
    stored.see({ entries, own, foreign: new Map() }, undefined);
  };
  for (const count of [10_000, 10_002, 10_002, 10_000]) see(count);
  t.match(said, [[/more SVIDs are to be stored/, { stored: 10_000, beyond: 2 }]]);
  t.equal(said.length, 1);
});

t.test(
  "two entries at one place: the first has it, the other when the first is gone",
  async (t) => {
    const bench = rig(t);
    bench.lane.want([wish("a", "one", "1"), wish("b", "one", "2")]);
    t.same(await done(bench, 2), ["put one 1"]);
    bench.lane.want([wish("b", "one", "2")]);
    t.same(await done(bench, 2), ["remove one handle of 1", "put one 2"]);
  },
);
