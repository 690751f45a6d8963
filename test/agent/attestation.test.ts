import t from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import type { Peer } from "../../src/agent/peer/peer.ts";
import type { ProcessFacts, WorkloadAttestor } from "../../src/attestors/contract.ts";
import { fail } from "../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../src/observe/logger.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
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

  attest(attestors: WorkloadAttestor[], peer = peerOf(FACTS), signal = never): Promise<string[]> {
    const logger: Logger = {
      ...silentLogger,
      warn: (_, fields) => void this.warned.push(String(fields?.["attestor"])),
    };
    return new Attestation({ attestors, clock: this.clock, logger, deadlineMs: 5000 })
      .attest(peer, signal)
      .then((selectors) => selectors.map(formatSelector));
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
    (_, signal) =>
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
