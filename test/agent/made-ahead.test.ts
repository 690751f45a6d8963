/** SVIDs that nobody has asked for yet are made at a measured pace, and keep nobody waiting. */
import t from "tap";
import type { Entry } from "../../src/agent/cache/entry.ts";
import { SvidLoop } from "../../src/agent/sync/svid-loop.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { settle } from "../support/virtual-clock.ts";
import { Bench, S, entry } from "./cache-bench.ts";

/** More rounds than any test here has. */
const STORM = 500;

function running(bench: Bench): {
  loop: SvidLoop;
  made: string[][];
  server: { authorityId: string };
  said: unknown[];
} {
  const made: string[][] = [];
  const said: unknown[] = [];
  const server = { authorityId: "aa" };
  const loop = new SvidLoop({
    cache: bench.cache,
    maker: {
      make: async (entries: readonly Entry[]) => {
        made.push(entries.map(({ id }) => id));
        if (made.length > STORM) throw new Error("a storm");
        bench.cache.applySvids(
          entries.map((one) => bench.svid(one, server)),
          [],
        );
      },
    },
    clock: bench.clock,
    random: new SeededRandom(),
    logger: { ...silentLogger, warn: (...line) => said.push(line) },
    isFading: () => false,
    onEmpty: () => undefined,
  });
  return { loop, made, server, said };
}

function many(from: number, count: number): Entry[] {
  return Array.from({ length: count }, (_, i) =>
    entry(`e${String(from + i).padStart(4, "0")}`, { selectors: S(`unix:uid:${from + i}`) }),
  );
}

t.test("thousands of new entries: twenty at once, then a hundred in a second", async (t) => {
  const bench = new Bench({ maxIdleSvids: 1000 });
  const { loop, made } = running(bench);
  await using _loop = loop;
  bench.sync(many(0, 3000).reverse());
  loop.wake();
  await settle();
  t.same(
    made.map((ids) => ids.length),
    [20],
  );
  t.same(
    made[0],
    many(0, 20).map(({ id }) => id),
    "the oldest first",
  );
  for (let update = 1; update <= 50; update += 1) {
    bench.sync(many(3000 + update, 1));
    loop.wake();
    await settle();
  }
  t.equal(made.length, 1, "updates make no haste");
  const watch = bench.watch(S("unix:uid:2999"));
  await settle();
  t.same(made.splice(1), [["e2999"]], "who waits gets it at once");
  t.match(watch.seen, [/e2999/]);
  await bench.clock.advance(10_000);
  const count = bench.cache.svidCount;
  t.ok(count >= 800 && count <= 1000, `${count} after ten seconds`);
  await bench.clock.advance(10_000);
  t.equal(bench.cache.svidCount, 1001, "as many as may lie idle, and the one in use");
  await bench.clock.advance(60_000);
  t.equal(bench.cache.svidCount, 1001);
  t.ok(made.every((ids) => ids.length <= 20));
});

t.test("renewals and changes do not wait for what is made ahead", async (t) => {
  const bench = new Bench({ maxIdleSvids: 1000 });
  const { loop, made } = running(bench);
  await using _loop = loop;
  bench.sync(many(0, 500));
  loop.wake();
  await settle();
  const changed = many(0, 10).map((one) => ({ ...one, revisionNumber: 1, dnsNames: ["x"] }));
  bench.sync(changed);
  loop.wake();
  await settle();
  t.same(made.slice(1), [changed.map(({ id }) => id)]);
  bench.clock.jump(-3600_000);
  await bench.clock.advance(500);
  t.ok(bench.cache.svidCount > 20, "a clock that was set back makes no pause longer");
});

t.test(
  "what has to be replaced again and again is no storm, and keeps nothing from being made",
  async (t) => {
    const bench = new Bench({ maxIdleSvids: 1000 });
    const { loop, made } = running(bench);
    await using _loop = loop;
    bench.sync(many(0, 2));
    loop.wake();
    await settle();
    await bench.clock.advance(1000);
    made.splice(0);
    // Its server still signs with it: what replaces the SVIDs is to be replaced as well.
    loop.replace(new Set(["aa"]));
    bench.sync(many(2, 60));
    loop.wake();
    await bench.clock.advance(12_000);
    t.equal(bench.cache.svidCount, 62);
    const again = made.filter((ids) => ids.includes("e0000"));
    t.ok(again.length >= 2 && again.length <= 4, `${again.length} times within twelve seconds`);
  },
);

/** That many SVIDs that streams hold, of the authority aa. */
async function held(bench: Bench, count: number): Promise<Entry[]> {
  const entries = many(0, count);
  bench.sync(entries);
  for (const { selectors } of entries) bench.watch([...selectors]);
  await bench.clock.advance(0);
  return entries;
}

t.test("thousands that are replaced with success go round without a pause", async (t) => {
  const bench = new Bench();
  const { loop, made, server, said } = running(bench);
  await using _loop = loop;
  await held(bench, 3000);
  made.splice(0);
  server.authorityId = "bb";
  loop.replace(new Set(["aa"]));
  await bench.clock.advance(0);
  t.equal(made.length, 15);
  t.equal(new Set(made.flat()).size, 3000);
  await bench.clock.advance(60_000);
  t.equal(made.length, 15, "once each");
  t.same(said, []);
});

t.test(
  "thousands that are replaced in vain: pauses that grow, and others do not wait",
  async (t) => {
    const bench = new Bench();
    const { loop, made, server, said } = running(bench);
    await using _loop = loop;
    const [first] = await held(bench, 1000);
    if (first === undefined) throw new Error("none");
    const rounds = (): number => made.splice(0).length;
    rounds();
    loop.replace(new Set(["aa"]));
    await bench.clock.advance(4999);
    t.equal(rounds(), 5, "each once");
    t.match(said, [[/signed just now are to be replaced again/, { retryMs: 5000 }]]);
    for (let i = 0; i < 50; i += 1) {
      loop.wake();
      await settle();
    }
    t.equal(rounds(), 0, "however often it is woken");
    bench.sync([{ ...first, revisionNumber: 1, dnsNames: ["x"] }]);
    loop.wake();
    await settle();
    t.same(made.splice(0), [[first.id]], "what changed is made at once");
    await bench.clock.advance(6000);
    t.equal(rounds(), 5, "again");
    await bench.clock.advance(10 * 60_000);
    const later = rounds();
    t.ok(later >= 50 && later <= 70, `${later / 5} times in ten minutes`);
    t.match(said.at(-1), [/replaced again/, { retryMs: 60_000 }]);
    server.authorityId = "bb";
    await bench.clock.advance(65_000);
    t.equal(rounds(), 5, "within a minute of the server's change");
    await bench.clock.advance(600_000);
    t.equal(rounds(), 0);
    loop.replace(new Set(["aa", "bb"]));
    await settle();
    server.authorityId = "cc";
    loop.replace(new Set(["aa", "bb"]));
    await bench.clock.advance(0);
    t.ok(rounds() >= 5, "another turn ends the pause");
    t.same(bench.due(["aa", "bb"]), []);
  },
);
