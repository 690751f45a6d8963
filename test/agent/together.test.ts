/** One process with many connections is held once, and looked at once for calls that have come by the same moment. */
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import { HeldProcesses } from "../../src/agent/peer/held-process.ts";
import { type Native, native } from "../../src/agent/peer/native.ts";
import { type Peer, trackPeer } from "../../src/agent/peer/peer.ts";
import type { ProcessFacts, WorkloadAttestor } from "../../src/attestors/contract.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
import { Acceptor, connectingProcess, end, temporaryFolder } from "../support/caller.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const never = { signal: new AbortController().signal };

/** Connections of this process and of others, tracked side by side. */
class Callers implements AsyncDisposable {
  readonly processes = new HeldProcesses();
  readonly #acceptor: Acceptor;
  readonly #stack = new AsyncDisposableStack();

  private constructor(acceptor: Acceptor) {
    this.#acceptor = this.#stack.use(acceptor);
  }

  static async listen(t: Parameters<typeof temporaryFolder>[0]): Promise<Callers> {
    return new Callers(await Acceptor.listen(join(temporaryFolder(t), "s")));
  }

  async own(calls: Native = native(), processes = this.processes): Promise<Peer> {
    const client = connect(this.#acceptor.path);
    this.#stack.defer(() => void client.destroy());
    return trackPeer(await this.#acceptor.accept(), { processes, native: calls });
  }

  async other() {
    const child = connectingProcess(this.#acceptor.path);
    this.#stack.defer(() => end(child));
    const peer = trackPeer(await this.#acceptor.accept(), { processes: this.processes });
    return { child, peer };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Says the process's PID, and counts how often it was looked at. */
function counting() {
  const looked: number[] = [];
  const selectorsOf = ({ pid }: ProcessFacts) => [{ type: "pid", value: `${pid}` }];
  const attestor: WorkloadAttestor = {
    type: "pid",
    names: ["x"],
    lookNow: (pid) => (looked.push(pid), { isStill: () => true, selectors: selectorsOf }),
    attest: (facts) => Promise.resolve([...selectorsOf(facts), { type: "pid", value: "alone" }]),
  };
  const options = { clock: new VirtualClock(), logger: silentLogger };
  const attestation = new Attestation({ attestors: [attestor], ...options });
  const attest = async (peer: Peer) => (await attestation.attest(peer, never)).map(formatSelector);
  return { looked, attest };
}

t.test("calls that have come by one moment are answered by one look", async (t) => {
  await using callers = await Callers.listen(t);
  const peers = [await callers.own(), await callers.own(), await callers.own()];
  const { peer: stranger } = await callers.other();
  const { looked, attest } = counting();

  const asked = [...peers, stranger, ...peers].map(async (peer, i) => {
    // As read one after the other, each with what follows from it.
    for (let turn = 0; turn < 3 * i; turn++)
      await new Promise<void>((resolve) => process.nextTick(resolve));
    return attest(peer);
  });
  const found = await Promise.all(asked);
  const own = [`pid:${process.pid}`];
  t.same(found, [own, own, own, [`pid:${stranger.pid}`], own, own, own]);
  t.same(looked, [process.pid, stranger.pid], "another process has a look of its own");

  t.same(await Promise.all(peers.map(attest)), [own, own, own]);
  t.equal(looked.length, 3, "a call that comes later is looked at anew");
});

t.test("a call that is read after the look has one of its own", async (t) => {
  await using callers = await Callers.listen(t);
  const [first, second] = [await callers.own(), await callers.own()];
  const { looked, attest } = counting();
  const events: string[] = [];
  const one = attest(first).then(() => events.push(`first after ${looked.length}`));
  // Its call is read after the look: what was seen before it came counts for nothing.
  setImmediate(() => void attest(second).then(() => events.push(`second after ${looked.length}`)));
  await one;
  t.same(events, ["first after 1"]);
  while (events.length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.same(events, ["first after 1", "second after 2"]);
});

t.test("whose connection is over, or is another user's, spoils nobody's answer", async (t) => {
  await using callers = await Callers.listen(t);
  const otherUser: Native = {
    ...native(),
    peerCredentials: (fd) => ({ ...native().peerCredentials(fd), uid: 4321 }),
  };
  const { looked, attest } = counting();
  for (const order of ["before", "after"]) {
    const peer = await callers.own();
    const changed = await callers.own(otherUser);
    t.equal(changed.process, peer.process, "one process");
    const refused = () =>
      t.rejects(attest(changed), { kind: "denied", message: /changed its user/ });
    const answered = async () => t.same(await attest(peer), [`pid:${process.pid}`], order);
    await Promise.all(order === "before" ? [refused(), answered()] : [answered(), refused()]);
  }

  const [gone, here] = [await callers.own(), await callers.own()];
  looked.length = 0;
  const lost = attest(gone);
  const found = attest(here);
  gone.release();
  await t.rejects(lost, { kind: "denied", message: /ended/ });
  t.same(await found, [`pid:${process.pid}`, "pid:alone"], "asked again, for itself");
});

t.test("a process that ends between call and look gets nothing", async (t) => {
  await using callers = await Callers.listen(t);
  const { peer, child } = await callers.other();
  const { attest } = counting();
  t.same(await attest(peer), [`pid:${child.pid}`]);
  await end(child);
  await t.rejects(attest(peer), { kind: "denied", message: /ended/ });
});

t.test(
  "all connections of a process hold two descriptors, and the last one closes them",
  async (t) => {
    await using callers = await Callers.listen(t);
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    const peers: Peer[] = [];
    for (let i = 0; i < 50; i++) {
      const peer = await callers.own();
      peer.read();
      peers.push(peer);
    }
    t.equal(descriptors() - before, 2 * 50 + 2, "two sockets each, and the process");
    t.equal(callers.processes.size, 1);
    const last = peers.pop();
    for (const peer of peers) {
      peer.release();
      peer.release();
      t.throws(() => peer.read(), { kind: "denied", message: /ended/ });
      t.equal(peer.alive(), false);
      t.equal(peer.pidfd, undefined);
    }
    t.equal(last?.read().pid, process.pid);
    last?.release();
    t.equal(callers.processes.size, 0);
    t.equal(descriptors() - before, 2 * 50);
  },
);

t.test("who has the PID of a process that ended is not taken for it", async (t) => {
  await using callers = await Callers.listen(t);
  // Which of the two has ended: the one that was known, or the one that has just connected.
  for (const ended of [0, 1]) {
    const calls: Native = { ...native(), ended: (pidfds) => pidfds.map((_, i) => i === ended) };
    const processes = new HeldProcesses();
    const known = await callers.own(calls, processes);
    const next = await callers.own(calls, processes);
    t.equal(next.pid, known.pid);
    t.not(next.process, known.process, `${ended}`);
    known.release();
    t.equal(processes.size, 1, "the one that came later is still known");
    next.release();
    t.equal(processes.size, 0);
  }
});
