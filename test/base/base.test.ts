import t from "tap";
import { Backoff } from "../../src/base/backoff.ts";
import { bytesEqual, concatBytes, toBase64, toBase64Url, toHex } from "../../src/base/bytes.ts";
import { epochSeconds, sleep, systemClock } from "../../src/base/clock.ts";
import { Generations } from "../../src/base/generations.ts";
import { AssayError, errorFrom, fail, isKind } from "../../src/base/errors.ts";
import { KeyedCounts } from "../../src/base/keyed-counts.ts";
import { Loop } from "../../src/base/loop.ts";
import { LruMap } from "../../src/base/lru.ts";
import { readAtMost } from "../../src/base/read-at-most.ts";
import { systemRandom, uuid } from "../../src/base/random.ts";
import { createLogger, silentLogger } from "../../src/observe/logger.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";

const fixedRandom = { bytes: (n: number) => new Uint8Array(n).fill(0xff), unit: () => 0.5 };

t.test("errors keep their kind; everything else becomes internal", async (t) => {
  const error = fail("denied", "no", { reason: "AGENT_BANNED", cause: new Error("why") });
  t.equal(errorFrom(error), error);
  t.ok(isKind(error, "invalid", "denied"));
  t.notOk(isKind(error, "invalid"));
  t.notOk(isKind(new Error("plain"), "internal"));
  t.match(errorFrom(new Error("boom")), { kind: "internal", message: "boom" });
  t.match(errorFrom("text"), { kind: "internal", message: "text" });
  t.match(errorFrom(AbortSignal.abort().reason), { kind: "cancelled" });
  t.match(new AssayError("invalid", "x"), { reason: undefined, cause: undefined });
});

t.test("a virtual clock runs timers in order and can be cancelled", async (t) => {
  const clock = new VirtualClock(1_500);
  const seen: string[] = [];
  clock.after(20, () => seen.push(`b@${clock.nowMs()}`));
  clock.after(10, () => seen.push(`a@${clock.nowMs()}`));
  clock.after(15, () => seen.push("cancelled"))();
  t.equal(epochSeconds(clock), 1);
  await clock.advance(30);
  t.same(seen, ["a@1510", "b@1520"]);
  t.equal(clock.nowMs(), 1530);
  t.equal(clock.timers, 0);
});

t.test("sleep ends with the signal's reason, before or during", async (t) => {
  const clock = new VirtualClock();
  await t.rejects(sleep(clock, 10, AbortSignal.abort(new Error("early"))), { message: "early" });
  const stop = new AbortController();
  const waiting = sleep(clock, 10, stop.signal);
  stop.abort(new Error("now"));
  await t.rejects(waiting, { message: "now" });
  t.equal(clock.timers, 0, "the timer is gone");
  await sleep(systemClock, 0);
});

t.test("the system clock takes delays beyond 2^31 ms without firing at once", async (t) => {
  let fired = false;
  const cancel = systemClock.after(2 ** 31 + 5, () => {
    fired = true;
  });
  await settle();
  t.notOk(fired);
  cancel();
});

t.test("backoff doubles to its bound and starts anew after a success", async (t) => {
  const backoff = new Backoff({ baseMs: 100, maxMs: 1_000, jitter: 0 }, fixedRandom);
  t.same(
    [1, 2, 3, 4, 5, 6].map(() => backoff.nextMs()),
    [100, 200, 400, 800, 1_000, 1_000],
  );
  backoff.reset();
  t.equal(backoff.nextMs(), 100);
  t.equal(new Backoff({ baseMs: 100, maxMs: 100, jitter: 0.5 }, fixedRandom).nextMs(), 75);
});

t.test("a loop retries after failures, wakes early, and ends when disposed", async (t) => {
  const clock = new VirtualClock();
  let rounds = 0;
  const failures: number[] = [];
  const loop = new Loop({
    name: "test",
    clock,
    random: fixedRandom,
    backoff: { baseMs: 10, maxMs: 10, jitter: 0 },
    onError: (_error, retryMs) => failures.push(retryMs),
    round: async () => {
      rounds += 1;
      if (rounds === 1) throw new Error("first round fails");
      return 1_000;
    },
  });
  await clock.advance(9);
  t.equal(rounds, 1);
  t.same(failures, [10]);
  await clock.advance(1);
  t.equal(rounds, 2);
  loop.wake();
  await settle();
  t.equal(rounds, 3, "woken");
  await clock.advance(1_000);
  t.equal(rounds, 4);
  await loop[Symbol.asyncDispose]();
  await clock.advance(5_000);
  t.equal(rounds, 4);
});

t.test("a loop's retries come sooner where something ends before them", async (t) => {
  const clock = new VirtualClock();
  const endMs = clock.nowMs() + 10_000;
  const delays: number[] = [];
  const loop = new Loop({
    name: "test",
    clock,
    random: fixedRandom,
    backoff: { baseMs: 1000, maxMs: 30_000, jitter: 0 },
    retryWithinMs: () => Math.max(500, (endMs - clock.nowMs()) / 4),
    onError: (_error, retryMs) => delays.push(retryMs),
    round: () => Promise.reject(new Error("always")),
  });
  await clock.advance(9_000);
  t.same(delays, [1000, 2000, 1750, 1313, 984, 738, 554, 500, 500]);
  await loop[Symbol.asyncDispose]();
});

t.test("an LRU map drops what was used longest ago", async (t) => {
  const map = new LruMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  t.equal(map.get("a"), 1);
  map.set("c", 3);
  t.equal(map.get("b"), undefined);
  t.same([...map.values()], [1, 3]);
  t.equal(map.size, 2);
  t.ok(map.delete("a"));
  map.clear();
  t.equal(map.size, 0);
  t.throws(() => new LruMap(0), TypeError);
  const gone: number[] = [];
  const told = new LruMap<string, number>(2, (value) => gone.push(value));
  for (const [index, key] of ["a", "b", "b", "c"].entries()) told.set(key, index);
  t.same(gone, [0], "what went for want of room");
  told.delete("b");
  told.set("d", 4);
  told.resize(1);
  t.same(gone, [0, 3]);
  for (const key of ["a", "b"]) map.set(key, 1);
  map.resize(4);
  for (const key of ["c", "d"]) map.set(key, 1);
  map.get("a");
  map.resize(2);
  t.same(
    [...map.entries()].map(([key]) => key),
    ["d", "a"],
  );
  map.set("e", 1);
  t.equal(map.size, 2);
  t.throws(() => map.resize(0), TypeError);
  for (const key of ["a", "a", "e", "e", "a"]) map.get(key);
  map.delete("e");
  t.equal(map.get("e"), undefined, "the newest can go, too");
  for (const key of ["f", "g"]) map.set(key, 2);
  for (const key of ["f", "f", "f"]) map.get(key);
  map.set("h", 2);
  t.same(
    [...map.entries()].map(([key]) => key),
    ["f", "h"],
    "what is asked for again and again was used last",
  );
});

t.test("counts by key forget a key of which there is none", async (t) => {
  const counts = new KeyedCounts<string>();
  t.same([counts.of("a"), counts.size], [0, 0]);
  for (const key of ["a", "b", "a"]) counts.add(key);
  t.same([counts.of("a"), counts.of("b"), counts.size], [2, 1, 2]);
  counts.remove("a");
  counts.remove("b");
  t.same([counts.of("a"), counts.of("b"), counts.size], [1, 0, 1]);
  counts.remove("b");
  counts.add("b");
  t.equal(counts.of("b"), 1, "nothing was taken where there was none");
});

t.test("what somebody sends is read to a bound, and not beyond", async (t) => {
  let read = 0;
  async function* parts(...lengths: readonly number[]) {
    for (const length of lengths) {
      read += 1;
      yield new Uint8Array(length).fill(read);
    }
  }
  t.same(await readAtMost(parts(2, 1), 3), Uint8Array.of(1, 1, 2), "as many as there may be");
  t.same(await readAtMost(parts(), 0), new Uint8Array());
  read = 0;
  t.equal(await readAtMost(parts(2, 2, 2), 3), undefined);
  t.equal(read, 2, "the rest is not asked for");
});

t.test("bytes and identifiers", async (t) => {
  const joined = concatBytes([Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(250)]);
  t.equal(toHex(joined), "0102fa");
  t.equal(toBase64(joined), "AQL6");
  t.equal(toBase64Url(Uint8Array.of(251, 255)), "-_8");
  t.ok(bytesEqual(joined, Uint8Array.of(1, 2, 250)));
  t.notOk(bytesEqual(joined, Uint8Array.of(1, 2)));
  t.equal(uuid(fixedRandom), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  t.match(
    uuid(systemRandom),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  t.ok(systemRandom.unit() < 1);
  // More than one pool of them, each its own memory, none given out twice.
  const drawn = Array.from({ length: 1000 }, () => systemRandom.bytes(16));
  t.equal(new Set(drawn.map(toHex)).size, 1000);
  t.ok(drawn.every((bytes) => bytes.length === 16 && bytes.buffer.byteLength === 16));
  t.equal(systemRandom.bytes(65).length, 65);
});

t.test("a log line cannot be mistaken for another", async (t) => {
  const lines: string[] = [];
  const options = {
    level: "info",
    write: (line: string) => lines.push(line),
    nowMs: () => 0,
  } as const;
  const text = createLogger({ ...options, format: "text" }).child({ room: "test" });
  text.debug("not shown");
  text.info("started", { path: "/a/b", note: "two\nlines msg=x" });
  text.error("failed", { error: new Error("outer", { cause: new Error("inner") }), list: [1] });
  t.same(lines, [
    '1970-01-01T00:00:00.000Z INFO  started room=test path=/a/b note="two\\nlines msg=x"\n',
    '1970-01-01T00:00:00.000Z ERROR failed room=test error="outer (inner)" list=[1]\n',
  ]);
  lines.length = 0;
  const logger = createLogger({ ...options, format: "text" });
  const values: readonly (readonly [unknown, string])[] = [
    [["unix:uid:0", "unix:path:/bin/sh"], "[unix:uid:0, unix:path:/bin/sh]"],
    [["a, b", "c]", "d=e", "", "two\nlines"], '["a, b", "c]", "d=e", "", "two\\nlines"]'],
    [[], "[]"],
    [["a"], "[a]"],
    ["[a]", '"[a]"'],
    ["a, b", '"a, b"'],
    [[["a"], ["b", 2]], "[[a], [b, 2]]"],
    [{ web: ["a", "b"], "k=v": { deep: true } }, '{web=[a, b], "k=v"={deep=true}}'],
    [{}, "{}"],
    [[null, undefined], "[null, null]"],
    [null, "null"],
    [1.5, "1.5"],
    [true, "true"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
  ];
  for (const [value] of values) logger.info("said", { value, last: 1 });
  t.same(
    lines,
    values.map(([, text]) => `1970-01-01T00:00:00.000Z INFO  said value=${text} last=1\n`),
  );
  lines.length = 0;
  createLogger({ ...options, format: "json" }).warn("odd", {
    error: new Error("x"),
    n: 1,
    list: ["a, b"],
  });
  t.same(JSON.parse(lines[0] ?? ""), {
    time: "1970-01-01T00:00:00.000Z",
    level: "warn",
    message: "odd",
    error: "x",
    n: 1,
    list: ["a, b"],
  });
  silentLogger.child({}).error("nothing");
});

t.test(
  "what is replaced goes a while after its successor came, and nothing is left over",
  async (t) => {
    const clock = new VirtualClock();
    const ended: string[] = [];
    const errors: unknown[] = [];
    const resources = (name: string) => ({
      async [Symbol.asyncDispose]() {
        ended.push(name);
        if (name === "b") throw new Error("not clean");
      },
    });
    const generations = new Generations(clock, 100, (error) => errors.push(error));
    generations.prepare(resources("a"))();
    const never = generations.prepare(resources("refused"));
    generations.prepare(resources("b"))();
    t.same(ended, ["refused"], "one that never began is used by nobody");
    never();
    await clock.advance(99);
    generations.prepare(resources("c"))();
    await clock.advance(1);
    t.same(ended, ["refused", "a"]);
    await clock.advance(99);
    t.match(errors, [/not clean/]);
    generations.prepare(resources("d"))();
    generations.prepare(resources("e"));
    await generations[Symbol.asyncDispose]();
    t.same(ended, ["refused", "a", "b", "c", "e", "d"]);
    t.equal(clock.timers, 0);
  },
);
