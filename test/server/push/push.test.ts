import t from "tap";
import type { Clock } from "../../../src/base/clock.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { type FeedDelta, AgentFeed } from "../../../src/server/push/agent-feed.ts";
import { diffEntries, diffHeld } from "../../../src/server/push/entry-diff.ts";
import { Positions } from "../../../src/server/push/position.ts";
import { PushHub } from "../../../src/server/push/push-hub.ts";
import type { EntryRecord } from "../../../src/server/datastore/contract.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";
import { sampleEntry } from "../datastore/samples.ts";
import { type Rig, agent, id, withRig } from "../entries/index-rig.ts";

const never = new AbortController().signal;

function bundle(trustDomain: string): Bundle {
  return { trustDomain, x509Authorities: [], jwtAuthorities: [], refreshHint: 0, sequence: 1 };
}

/** A hub over a real index; bundles and nodes are what the test says. */
class Bench implements Disposable {
  readonly bundles = new Map([["example.org", bundle("example.org")]]);
  readonly hub: PushHub;
  /** Agents whose entries were looked at. */
  readonly looked: string[] = [];
  readonly rotations = new Map<string, number>();
  bundleChanged: (trustDomain: string) => void = () => undefined;
  nodeChanged: (agentId: string) => void = () => undefined;

  constructor({ index, clock }: { index: Rig["index"]; clock: Clock }) {
    this.hub = new PushHub({
      trustDomain: "example.org",
      clock,
      entries: {
        forAgent: (agentId) => {
          this.looked.push(agentId);
          return index.forAgent(agentId);
        },
        validUntil: (agentId) => index.validUntil(agentId),
        get revision() {
          return index.revision;
        },
        onChange: (listener) => index.onChange(listener),
        refresh: () => index.refresh(),
      },
      bundles: {
        own: () => this.bundles.get("example.org") ?? bundle("example.org"),
        foreignNames: () =>
          [...this.bundles.keys()].filter((name) => name !== "example.org").sort(),
        find: (name) => this.bundles.get(name),
        onChange: (listener) => {
          this.bundleChanged = listener;
          return () => undefined;
        },
      },
      revocations: { crls: [], onChange: () => () => undefined },
      nodes: {
        rotationOf: (agentId) => this.rotations.get(agentId) ?? 0,
        onChange: (listener) => {
          this.nodeChanged = listener;
          return () => undefined;
        },
      },
    });
  }

  setBundle(name: string): void {
    this.bundles.set(name, bundle(name));
    this.bundleChanged(name);
  }

  take(feed: AgentFeed): string | undefined {
    const delta = feed.take();
    this.hub.watchBundles(feed);
    return delta === undefined ? undefined : summary(delta);
  }

  [Symbol.dispose](): void {
    this.hub[Symbol.dispose]();
  }
}

function summary({ reset, upserts, removed, bundles, removedBundles }: FeedDelta): string {
  return [
    ...(reset ? ["reset"] : []),
    ...upserts.map((entry) => `+${entry.id}`),
    ...removed.map((entryId) => `-${entryId}`),
    ...bundles.map(({ trustDomain }) => `+${trustDomain}`),
    ...removedBundles.map((name) => `-${name}`),
  ].join(" ");
}

function entry(name: string, change: Partial<EntryRecord> = {}): EntryRecord {
  return { ...sampleEntry(name), parentId: agent("a"), spiffeId: id(name), ...change };
}

t.test("a feed tells what an agent lacks when it can take it, however much happened", async (t) => {
  await withRig(async (rig) => {
    using bench = new Bench(rig);
    await rig.put(entry("one"));
    const feed = bench.hub.open(agent("a"));
    t.equal(bench.take(feed), "reset +one +example.org");
    t.equal(bench.take(feed), undefined, "equal states are not told");
    for (let i = 0; i < 50; i++) await rig.put(entry("two", { revisionNumber: i }));
    await rig.put(entry("three"));
    await rig.delete("three", "one");
    bench.looked.length = 0;
    t.equal(await feed.wait(1000, never), "changed");
    t.equal(bench.take(feed), "+two -one", "fifty-two changes are one");
    t.same(bench.looked, [agent("a")], "and cost one look");
    const quiet = feed.wait(1000, never);
    await rig.clock.advance(1000);
    t.equal(await quiet, "quiet");
  });
});

t.test("a change wakes whom it concerns", async (t) => {
  await withRig(async (rig) => {
    using bench = new Bench(rig);
    const feeds = ["a", "b", "c"].map((name) => bench.hub.open(agent(name)));
    for (const feed of feeds) bench.take(feed);
    const heard: string[] = [];
    const ended = new AbortController();
    for (const feed of feeds) {
      const listen = async (): Promise<void> => {
        for (;;) {
          heard.push(`${feed.agentId.slice(-1)} ${await feed.wait(3600_000, ended.signal)}`);
        }
      };
      listen().catch(() => undefined);
    }
    const sorted = async (): Promise<string[]> => {
      await settle();
      return heard.splice(0).sort();
    };
    bench.looked.length = 0;
    await rig.put(entry("one", { parentId: agent("b") }));
    t.same(await sorted(), ["b changed"]);
    t.same(bench.looked, [], "the others are not even looked at");
    bench.setBundle("example.org");
    t.same(await sorted(), ["a changed", "b changed", "c changed"]);
    bench.setBundle("other.org");
    t.same(await sorted(), [], "a foreign bundle that nobody needs");
    await rig.put(entry("two", { parentId: agent("c"), federatesWith: ["other.org"] }));
    for (const feed of feeds) bench.take(feed);
    await sorted();
    bench.setBundle("other.org");
    t.same(await sorted(), ["c changed"]);
    const [, , third] = feeds;
    if (third === undefined) throw new Error("there are three");
    t.equal(bench.take(third), "+other.org");
    bench.nodeChanged(agent("a"));
    t.same(await sorted(), ["a identity"]);
    third[Symbol.dispose]();
    bench.setBundle("other.org");
    t.same(await sorted(), [], "a feed that is over hears nothing");
    bench.hub.open(agent("a"));
    t.same(await sorted(), ["a replaced"]);
    t.equal(bench.hub.size, 2);
    ended.abort();
  });
});

t.test("rotations: of one entry, of the agent, each told once", async (t) => {
  await withRig(async (rig) => {
    using bench = new Bench(rig);
    await rig.put(entry("one"), entry("two"));
    const feed = bench.hub.open(agent("a"));
    const taken = (of = feed): unknown => {
      const delta = of.take();
      return delta && [delta.upserts.map(({ id: name }) => name), delta.rotated, delta.rotation];
    };
    t.same(taken(), [["one", "two"], [], 0], "a stream begins with the number");
    await rig.put(entry("one", { revisionNumber: 1 }));
    t.same(taken(), [["one"], ["one"], undefined]);
    await rig.put(entry("one", { revisionNumber: 2, dnsNames: ["a.example.org"] }));
    t.same(taken(), [["one"], [], undefined], "whatever else changed is no rotation");
    await rig.put(entry("two", { createdAt: 7, revisionNumber: 1 }));
    t.same(taken(), [["two"], [], undefined]);

    bench.rotations.set(agent("a"), 1);
    bench.nodeChanged(agent("a"));
    t.equal(await feed.wait(1000, never), "identity");
    t.same(taken(), [[], [], 1]);
    t.equal(taken(), undefined);
    const resumed = bench.hub.open(agent("a"));
    resumed.resume([]);
    t.same(taken(resumed), [["two", "one"], [], 1], "one that comes back learns of it");
  });
});

t.test("bundles come with the entries that need them, and go with them", async (t) => {
  await withRig(async (rig) => {
    using bench = new Bench(rig);
    bench.setBundle("other.org");
    const feed = bench.hub.open(agent("a"));
    t.equal(bench.take(feed), "reset +example.org");
    await rig.put(entry("one", { federatesWith: ["other.org", "unknown.org"] }));
    t.equal(bench.take(feed), "+one +other.org");
    bench.bundles.delete("other.org");
    t.equal(bench.take(feed), "-other.org", "deleted");
    bench.setBundle("other.org");
    t.equal(bench.take(feed), "+other.org");
    await rig.put(entry("one", { federatesWith: [] }));
    t.equal(bench.take(feed), "+one -other.org", "not needed any more");
  });
});

t.test("an expiry is a change at its second: the entry's own and its parent's", async (t) => {
  await withRig(async (rig) => {
    using bench = new Bench(rig);
    const now = rig.clock.nowMs() / 1000;
    await rig.put(
      entry("parent", { expiresAt: now + 10 }),
      entry("child", { parentId: id("parent") }),
      entry("later", { expiresAt: now + 20 }),
    );
    const feed = bench.hub.open(agent("a"));
    bench.take(feed);
    for (const [seconds, expected] of [
      [10, "-child -parent"],
      [10, "-later"],
    ] as const) {
      const waiting = feed.wait(3600_000, never);
      let over = false;
      void waiting.then(() => {
        over = true;
      });
      await rig.clock.advance(seconds * 1000 - 1);
      t.equal(over, false, "not before");
      await rig.clock.advance(1);
      t.equal(await waiting, "expired");
      t.equal(bench.take(feed), expected);
    }
    rig.clock.step(-60_000);
    t.equal(bench.take(feed), "+child +later +parent", "the clock was set back");
  });
});

t.test("an agent with many entries is told of a storm of changes now and then", async (t) => {
  const clock = new VirtualClock();
  let many: EntryRecord[] = Array.from({ length: 50_000 }, (_, i) => entry(`e${i}`));
  const feed = new AgentFeed({
    agentId: agent("a"),
    clock,
    onEnd: () => undefined,
    source: {
      entries: () => many,
      entriesValidUntil: () => Number.POSITIVE_INFINITY,
      rotation: () => 0,
      revision: 1,
      ownBundle: () => bundle("example.org"),
      bundle: () => undefined,
      foreignNames: () => [],
    },
  });
  feed.take();
  many = many.slice(1);
  let rested = false;
  const rest = feed.rest(never).then(() => {
    rested = true;
  });
  await clock.advance(99);
  t.equal(rested, false);
  await clock.advance(1);
  await rest;
  t.same(feed.take()?.removed, ["e0"]);
  await clock.advance(1000);
  await feed.rest(never);
  t.pass("a change that comes alone is told at once");
  const ended = new AbortController();
  const waiting = feed.wait(1000, ended.signal);
  ended.abort(new Error("over"));
  await t.rejects(waiting, /over/);
  t.equal(clock.timers, 0, "no timer is left");
});

t.test("differences", (t) => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => entry(name));
  if (!a || !b || !c || !d) throw new Error("there are four");
  const changed = { ...b, revisionNumber: 7 };
  const again = { ...b, createdAt: 7 };
  const cases: [readonly EntryRecord[], readonly EntryRecord[], string, string][] = [
    [[], [], "", ""],
    [[a, b, c], [a, b, c], "", ""],
    [[], [a, b], "ab", ""],
    [[a, b], [], "", "ab"],
    [[a, b, c], [a, c], "", "b"],
    [[a, c], [a, b, c], "b", ""],
    [[a, b, c], [a, changed, c], "b", ""],
    [[a, b, c], [a, c, again], "b", ""],
    [[a, b], [b, c], "c", "a"],
    [[a, b, c], [b, d], "d", "ac"],
  ];
  for (const [before, after, upserts, removed] of cases) {
    for (const { upserts: found, removed: gone } of [
      diffEntries(before, after),
      diffHeld(before, after),
    ]) {
      t.equal(found.map((each) => each.id).join(""), upserts);
      t.equal(gone.join(""), removed);
    }
  }
  t.end();
});

t.test("positions: known as long as the feed has them, and of this feed only", async (t) => {
  await withRig(async ({ store, put, clock }) => {
    await clock.advance(5);
    await put(entry("one"));
    await clock.advance(5);
    await put(entry("two"));
    const positions = new Positions(store.changes);
    const current = await store.changes.current();
    const here = await positions.of(current);
    t.ok(here.mark > 0);
    t.equal(await positions.of(current), here);
    t.equal(await positions.isKnown(here), true);
    t.equal(await positions.isKnown({ ...here, mark: here.mark - 1 }), false);
    t.equal(await positions.isKnown({ revision: current - 1, mark: here.mark }), false);
    t.equal(await positions.isKnown({ revision: current + 1, mark: here.mark }), false);
    t.equal(await positions.isKnown({ revision: 0, mark: 0 }), false);
    const first = await positions.of(1);
    t.equal(await positions.isKnown(first), true);
    await store.pruneChanges(1);
    t.equal(await positions.isKnown(first), false, "pruned");
    t.equal(await positions.isKnown(here), true);
    t.equal((await new Positions(store.changes).of(1)).mark, 0, "nobody goes on from there");
  });
});
