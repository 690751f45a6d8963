import t from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import { CanonicalLists } from "../../src/agent/attestation/canonical-lists.ts";
import type { Peer } from "../../src/agent/peer/peer.ts";
import type { Moment, ProcessFacts, WorkloadAttestor } from "../../src/attestors/contract.ts";
import { fail } from "../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../src/observe/logger.ts";
import { type Selector, formatSelector } from "../../src/spiffe/selector.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";

const FACTS: ProcessFacts = { pid: 42, uid: 1, gid: 2, groups: [3] };
const never = new AbortController().signal;

function peerOf(...reads: (ProcessFacts | Error)[]): Peer {
  const last = reads.at(-1);
  return {
    ...FACTS,
    pidfd: undefined,
    alive: () => true,
    release: () => undefined,
    read() {
      const facts = reads.shift() ?? last ?? FACTS;
      if (facts instanceof Error) throw facts;
      return facts;
    },
  };
}

function attestor(type: string, attest: WorkloadAttestor["attest"]): WorkloadAttestor {
  return { type, names: ["x"], attest };
}

const says = (type: string, ...values: string[]): WorkloadAttestor =>
  attestor(type, () => Promise.resolve(values.map((value) => ({ type, value }))));
const fails = (type: string): WorkloadAttestor =>
  attestor(type, () => Promise.reject(fail("unavailable", "broken")));
const throws = (type: string): WorkloadAttestor =>
  attestor(type, () => {
    throw new TypeError("a slip");
  });
const hangs = (type: string): WorkloadAttestor =>
  attestor(type, () => new Promise(() => undefined));

class Bench {
  readonly clock = new VirtualClock();
  readonly warned: string[] = [];

  async attest(
    attestors: WorkloadAttestor[],
    peer = peerOf(FACTS),
    signal = never,
  ): Promise<string[]> {
    const logger: Logger = {
      ...silentLogger,
      warn: (_, fields) => void this.warned.push(String(fields?.["attestor"])),
    };
    const attestation = new Attestation({ attestors, clock: this.clock, logger, deadlineMs: 5000 });
    return (await attestation.attest(peer, { signal })).map(formatSelector);
  }
}

t.test("all attestors side by side: one that fails blinds no other", async (t) => {
  const bench = new Bench();
  t.same(await bench.attest([says("b", "2", "1"), fails("f"), throws("g"), says("a", "1")]), [
    "a:1",
    "b:1",
    "b:2",
  ]);
  t.same(bench.warned.sort(), ["f", "g"]);
  t.equal(bench.clock.timers, 0, "no timer is left behind");
});

t.test("one that hangs costs its own selectors and the deadline", async (t) => {
  const bench = new Bench();
  const found = bench.attest([says("a", "1"), hangs("h")]);
  await bench.clock.advance(4999);
  await settle();
  t.same(bench.warned, []);
  await bench.clock.advance(1);
  t.same(await found, ["a:1"]);
  t.same(bench.warned, ["h"]);
});

t.test("at the deadline an attestor may still hand over what it has", async (t) => {
  const bench = new Bench();
  const partial = attestor(
    "p",
    (_, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve([{ type: "p", value: "half" }]));
      }),
  );
  const found = bench.attest([partial]);
  await bench.clock.advance(5000);
  t.same(await found, ["p:half"]);
});

t.test("when all fail nothing is known, which is not the same as no selectors", async (t) => {
  const bench = new Bench();
  const unavailable = { name: "AssayError", kind: "unavailable", message: /could not be attested/ };
  await t.rejects(bench.attest([fails("a"), throws("b")]), unavailable);
  await t.rejects(bench.attest([]), unavailable);
  t.same(await bench.attest([says("a")]), []);
});

t.test("a process that ended or changed while it was looked at gets nothing", async (t) => {
  const bench = new Bench();
  const ended = fail("denied", "the process that connected has ended");
  await t.rejects(bench.attest([says("a", "1")], peerOf(ended)), { message: /ended/ });
  await t.rejects(bench.attest([says("a", "1")], peerOf(FACTS, ended)), { message: /ended/ });
  await t.rejects(bench.attest([says("a", "1")], peerOf(FACTS, { ...FACTS, groups: [] })), {
    message: /changed its groups/,
  });
});

t.test(
  "a caller without a PID here that left while its token was looked at gets nothing",
  async (t) => {
    let isAlive = true;
    const peer: Peer = { ...peerOf(FACTS), pid: 0, isForeign: true, alive: () => isAlive };
    const token: WorkloadAttestor = {
      ...says("token", "a"),
      takesTokens: true,
      async attest() {
        await Promise.resolve();
        isAlive = found.length === 0;
        return [{ type: "token", value: "a" }];
      },
    };
    const found: unknown[] = [];
    const attestation = new Attestation({
      attestors: [token],
      clock: new VirtualClock(),
      logger: silentLogger,
    });
    found.push(await attestation.attest(peer, { signal: never }, "jws"));
    t.same(found, [[{ type: "token", value: "a" }]]);
    await refused(t, Promise.resolve(attestation.attest(peer, { signal: never }, "jws")), {
      kind: "denied",
      message: /^the caller is gone$/,
    });
  },
);

t.test("a call that is over is not looked into any longer", async (t) => {
  const bench = new Bench();
  const given = new AbortController();
  const found = bench.attest([hangs("h")], peerOf(FACTS), given.signal);
  given.abort(new Error("gone"));
  await t.rejects(found, { message: /could not be attested/ });
  await t.rejects(bench.attest([hangs("h")], peerOf(FACTS), given.signal), {
    message: /could not be attested/,
  });
  t.equal(bench.clock.timers, 0);
});

/** One that needs no waiting; `seen` notes the order of what is looked at. */
function atOnce(
  type: string,
  look: { list?: readonly Selector[]; isStill?: () => boolean; seen?: string[] } = {},
): WorkloadAttestor {
  const { list = [{ type, value: "now" }], isStill = () => true, seen = [] } = look;
  return {
    ...attestor(type, () => Promise.resolve([{ type, value: "later" }])),
    lookNow: () => {
      seen.push(type);
      return { isStill: () => (seen.push(`${type} again`), isStill()), selectors: () => list };
    },
  };
}

t.test("what can be told at once waits for nothing: no timer, no signal", async (t) => {
  const bench = new Bench();
  const seen: string[] = [];
  const list = Object.freeze([
    { type: "a", value: "2" },
    { type: "a", value: "1" },
  ]);
  const peer = { ...peerOf(FACTS), read: () => (seen.push("facts"), FACTS) };
  const attestation = new Attestation({
    attestors: [
      atOnce("a", { list, seen }),
      atOnce("b", { list: Object.freeze([{ type: "b", value: "1" }]), seen }),
    ],
    clock: bench.clock,
    logger: silentLogger,
  });
  const call = {
    get signal(): AbortSignal {
      return t.fail("nobody waits for anything") as never;
    },
  };
  const found = attestation.attest(peer, call);
  t.equal(bench.clock.timers, 0);
  t.same((await found).map(formatSelector), ["a:1", "a:2", "b:1"]);
  t.same(seen, ["a", "b", "facts", "a again", "b again"], "the facts in between");
  t.equal(await attestation.attest(peer, call), await found, "the same list for the same answer");
});

t.test(
  "what is looked at before the facts and after are two moments, of this call alone",
  async (t) => {
    const moments: (readonly [string, Moment | undefined])[] = [];
    const note = (name: string): WorkloadAttestor => ({
      ...atOnce(name),
      lookNow(_pid, moment) {
        moments.push([name, moment]);
        const isStill = (later?: Moment): boolean => moments.push([`${name} again`, later]) > 0;
        return { isStill, selectors: () => [{ type: name, value: "now" }] };
      },
    });
    const attestors = [note("a"), note("b")];
    const bench = new Bench();
    await bench.attest(attestors);
    await bench.attest(attestors);
    t.same(
      moments.map(([name]) => name),
      ["a", "b", "a again", "b again", "a", "b", "a again", "b again"],
    );
    const [first, second, third, fourth, ...others] = moments.map(([, moment]) => moment);
    t.type(first, "object");
    t.equal(second, first);
    t.equal(fourth, third);
    t.equal(others[1], others[0]);
    t.equal(new Set(moments.map(([, moment]) => moment)).size, 4);
  },
);

t.test("told at once or not: a process that ended or changed gets nothing", async (t) => {
  const bench = new Bench();
  const ended = fail("denied", "the process that connected has ended");
  await t.rejects(bench.attest([atOnce("a")], peerOf(ended)), { message: /ended/ });
  const changed = atOnce("a", { isStill: () => false });
  t.same(await bench.attest([changed]), ["a:later"], "looked at with time");
  await t.rejects(bench.attest([changed], peerOf(FACTS, ended)), { message: /ended/ });
  await t.rejects(bench.attest([atOnce("b"), changed], peerOf(FACTS, FACTS, ended)), {
    message: /ended/,
  });
  t.same(
    await bench.attest([says("a", "1")], peerOf(FACTS, FACTS, { ...FACTS })),
    ["a:1"],
    "equal facts will do",
  );
});

t.test("one attestor that has to wait, or fails, is asked again with time", async (t) => {
  const bench = new Bench();
  const now = atOnce("a");
  t.same(await bench.attest([now]), ["a:now"]);
  t.same(await bench.attest([now, says("b", "1")]), ["a:later", "b:1"]);
  t.same(await bench.attest([now, { ...atOnce("b"), lookNow: () => undefined }]), [
    "a:later",
    "b:later",
  ]);
  const slip = (): never => {
    throw new TypeError("a slip");
  };
  t.same(await bench.attest([{ ...fails("b"), lookNow: slip }, now]), ["a:later"]);
  t.same(await bench.attest([atOnce("b", { isStill: slip }), now]), ["a:later", "b:later"]);
  t.same(bench.warned, ["b"]);
});

t.test("lists are kept for frozen answers only, each combination apart", (t) => {
  const lists = new CanonicalLists();
  const of = (...values: string[]): Selector[] => values.map((value) => ({ type: "x", value }));
  const [a, b] = [Object.freeze(of("2", "1")), Object.freeze(of("3", "1"))];
  t.same(lists.of([a, b]), of("1", "2", "3"));
  t.equal(lists.of([a, b]), lists.of([a, b]));
  t.equal(Object.isFrozen(lists.of([a, b])), true);
  t.same(lists.of([a]), of("1", "2"));
  t.same(lists.of([b]), of("1", "3"));
  t.same(lists.of([]), []);
  const loose = of("9");
  t.same(lists.of([a, loose]), of("1", "2", "9"));
  loose.push(...of("0"));
  t.same(lists.of([a, loose]), of("0", "1", "2", "9"));
  t.end();
});

t.test("an answer that lacks something is told from one that is whole", async (t) => {
  const clock = new VirtualClock();
  const half = attestor("p", async (_, { onGap }) => {
    onGap({ names: ["whole"], reason: "not in time", isTransient: true });
    return [{ type: "p", value: "half" }];
  });
  const isIncomplete = async (...attestors: WorkloadAttestor[]): Promise<boolean> => {
    const attestation = new Attestation({ attestors, clock, logger: silentLogger });
    const found = await attestation.attest(peerOf(FACTS), { signal: never });
    return attestation.notesOn(found).isIncomplete === true;
  };
  t.equal(await isIncomplete(says("a", "1")), false);
  t.equal(await isIncomplete(says("a", "1"), half), true);
  const lacking = attestor("l", async (_, { onGap }) => {
    onGap({ names: ["whole"], reason: "never to be had", isTransient: false });
    return [{ type: "l", value: "half" }];
  });
  t.equal(await isIncomplete(says("a", "1"), lacking), false, "asking again cannot help");
  t.equal(await isIncomplete(says("a", "1"), fails("f")), true, "one failed");
});
