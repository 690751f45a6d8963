/** The stream of changes itself: what a server sends to an agent that listens by hand, and what an agent makes of it. */
import { join } from "node:path";
import t from "tap";
import type { Synced } from "../../src/agent/cache/cache.ts";
import { fetchEntries } from "../../src/agent/server-client/entry-sync.ts";
import { Sync } from "../../src/agent/sync/sync.ts";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import type { FollowRequest } from "../../src/rpc/gen/assay/sync/v1/FollowRequest.ts";
import type { FollowResponse__Output } from "../../src/rpc/gen/assay/sync/v1/FollowResponse.ts";
import { messageType } from "../../src/rpc/protos.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import { temporaryFolder } from "../support/caller.ts";
import { Domain, TRUST_DOMAIN } from "../support/running.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";
import { RawAgent, next, paths } from "./raw-agent.ts";

const tools = { clock: systemClock, random: systemRandom, logger: silentLogger };

t.test("an agent hears of what concerns it and of nothing else", async (t) => {
  await using domain = await Domain.start();
  using one = await RawAgent.attested(domain, "one");
  using other = await RawAgent.attested(domain, "other");
  const parent = ({ id: agentId }: RawAgent) => ({
    parent_id: { trust_domain: TRUST_DOMAIN, path: new URL(agentId).pathname },
  });
  const mine = await one.follow({});
  const its = await other.follow({});
  const first = await next(mine);
  t.equal(first.reset, true);
  t.same(
    first.bundles.map(({ trust_domain }) => trust_domain),
    [TRUST_DOMAIN],
  );
  await next(its);
  for (let i = 0; i < 5; i++) {
    await domain.entry({ path: `/other/${i}`, more: parent(other) });
    t.same(paths(await next(its)), [`/other/${i}`]);
  }
  await domain.entry({ path: "/mine", more: parent(one) });
  const heard = await next(mine);
  t.same(paths(heard), ["/mine"], "the other agent's five changes sent nothing here");
  t.equal(heard.reset, false);
  t.same(heard.bundles, []);
  t.ok(Number(heard.position?.revision) > Number(first.position?.revision));
});

t.test("many entries come in pages, one position for all of them", async (t) => {
  await using domain = await Domain.start();
  using agent = await RawAgent.attested(domain, "one");
  await domain.call("entry.v1.Entry", "BatchCreateEntry", {
    entries: Array.from({ length: 1200 }, (_, i) => ({
      spiffe_id: { trust_domain: TRUST_DOMAIN, path: `/many/${i}` },
      parent_id: { trust_domain: TRUST_DOMAIN, path: "/host" },
      selectors: [{ type: "unix", value: `uid:${i}` }],
    })),
  });
  const stream = await agent.follow({});
  const pages = [await next(stream), await next(stream), await next(stream)];
  t.same(
    pages.map(({ reset, more, entries, position }) => [
      reset,
      more,
      entries.length,
      position !== null,
    ]),
    // The last one is the alias that the agent's token made.
    [
      [true, true, 500, false],
      [false, true, 500, false],
      [false, false, 201, true],
    ],
  );
});

t.test("a second stream of an agent takes the place of the first", async (t) => {
  await using domain = await Domain.start();
  using agent = await RawAgent.attested(domain, "one");
  const before = await agent.follow({});
  await next(before);
  const after = await agent.follow({});
  await next(after);
  await t.rejects(next(before), { name: "AssayError", kind: "conflict" });
  await domain.entry({ path: "/one" });
  t.same(paths(await next(after)), ["/one"]);
});

t.test("a server without the stream is polled, and asked for it again later", async (t) => {
  await using server = new GrpcServer({ logger: silentLogger });
  const methods: string[] = [];
  server.setGate((method) => {
    methods.push(method.slice(method.lastIndexOf("/") + 1));
    return Promise.resolve();
  });
  const entry = (name: string): object => ({
    id: name,
    spiffe_id: { trust_domain: TRUST_DOMAIN, path: `/${name}` },
    selectors: [{ type: "unix", value: "uid:1" }],
  });
  let entries = [entry("a")];
  server.addService("spire.api.server.entry.v1.Entry", {
    GetAuthorizedEntries: () => Promise.resolve({ entries }),
  });
  server.addService("spire.api.server.bundle.v1.Bundle", {
    GetBundle: () => Promise.resolve({ trust_domain: TRUST_DOMAIN }),
  });
  const path = join(temporaryFolder(t), "s");
  await server.listenUnix(path, { mode: 0o600 });
  using channel = connectUnix(path);
  const synced: Synced[] = [];
  let told = Promise.withResolvers<void>();
  await using _ = new Sync({
    ...tools,
    trustDomain: TRUST_DOMAIN,
    intervalMs: 20,
    source: {
      generation: 0,
      connected: true,
      connect: () => Promise.resolve(),
      fetchEntries: (known, onBadEntry, signal) =>
        fetchEntries({ channel, known, onBadEntry, signal }),
      fetchBundle: (signal) =>
        channel.unary("spire.api.server.bundle.v1.Bundle", "GetBundle", {}, { signal }),
      fetchForeignBundle: () => Promise.reject(new Error("nobody federates")),
      async follow(request, _onMessage, signal) {
        using stream = channel.stream<FollowRequest, FollowResponse__Output>(
          "assay.sync.v1.Sync",
          "Follow",
          { signal },
        );
        await stream.send(request);
        for await (const message of stream) t.fail(JSON.stringify(message));
        throw new Error("no service, no end");
      },
    },
    onSynced: (result) => {
      synced.push(result);
      told.resolve();
      told = Promise.withResolvers();
      return Promise.resolve();
    },
  });
  await told.promise;
  t.same([...(synced.at(-1)?.entries.keys() ?? [])], ["a"]);
  entries = [entry("b")];
  while (synced.at(-1)?.entries.has("b") !== true) await told.promise;
  t.same([...(synced.at(-1)?.entries.keys() ?? [])], ["b"], "polled");
  t.ok(methods.includes("GetAuthorizedEntries"));
});

/** Entries by letter, and further fields of the message. */
interface Change {
  readonly up?: string;
  readonly down?: string;
  readonly [field: string]: unknown;
}

/** The stream of changes as the test plays it. */
class Script {
  readonly requests: FollowRequest[] = [];
  readonly synced: string[] = [];
  readonly clock = new VirtualClock();
  readonly sync: Sync;
  generation = 0;
  readonly connected = true;
  failOnce = false;
  #say: ((message: FollowResponse__Output) => Promise<void>) | undefined;
  #end: ((error: Error) => void) | undefined;

  constructor() {
    this.sync = new Sync({
      trustDomain: TRUST_DOMAIN,
      intervalMs: 5000,
      clock: this.clock,
      random: { bytes: (n) => new Uint8Array(n), unit: () => 0.5 },
      logger: silentLogger,
      source: this,
      onSynced: ({ entries, touched }) => {
        if (this.failOnce) {
          this.failOnce = false;
          return Promise.reject(new Error("disk full"));
        }
        const names = [...entries.keys()].sort().join("");
        this.synced.push(`${names}:${touched === undefined ? "all" : [...touched].join("")}`);
        return Promise.resolve();
      },
    });
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  follow(
    request: FollowRequest,
    onMessage: (message: FollowResponse__Output) => Promise<void>,
    signal: AbortSignal,
  ): Promise<never> {
    this.requests.push(request);
    const { promise, reject } = Promise.withResolvers<never>();
    this.#say = onMessage;
    this.#end = reject;
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    return promise;
  }

  fetchEntries = (): Promise<never> => Promise.reject(new Error("never asked"));
  fetchBundle = (): Promise<never> => Promise.reject(new Error("never asked"));
  fetchForeignBundle = (): Promise<never> => Promise.reject(new Error("never asked"));

  /** What the server sends; a capital letter is another version of the same entry. */
  async say(revision: number, change: Change): Promise<void> {
    const { up = "", down = "", ...rest } = change;
    const message = messageType("assay.sync.v1.FollowResponse");
    const entries = up.split("").map((letter) => ({
      id: letter.toLowerCase(),
      spiffe_id: { trust_domain: TRUST_DOMAIN, path: `/${letter}` },
      selectors: [{ type: "unix", value: "uid:1" }],
    }));
    const sent = { entries, removed_entries: down.split(""), position: { revision }, ...rest };
    const decoded = message.decode(message.encode(sent)) as FollowResponse__Output;
    try {
      await this.#say?.(decoded);
    } catch (error) {
      this.#end?.(error as Error);
    }
    await settle();
  }

  async end(error: Error): Promise<void> {
    this.#end?.(error);
    await settle();
  }
}

const OWN = { bundles: [{ trust_domain: TRUST_DOMAIN }] };

t.test("what the stream tells is taken over change by change, and never backwards", async (t) => {
  const script = new Script();
  await using _ = script.sync;
  await settle();
  t.same(script.requests, [{}], "nothing is held: everything is asked for");
  await script.say(0, { up: "ab", reset: true, more: true });
  t.same(script.synced, [], "not before the last page");
  await script.say(5, { up: "c", ...OWN, spread_ms: 4000 });
  t.same(script.synced.splice(0), ["abc:all"]);
  await script.say(6, { up: "B", down: "a", spread_ms: 4000 });
  t.same(script.synced.splice(0), ["bc:ba"], "a change names what it touches");
  await script.say(7, {});
  t.same(script.synced.splice(0), [], "a sign of life is no change");

  await script.end(new Error("connection lost"));
  await script.clock.advance(1999);
  t.equal(script.requests.length, 1);
  await script.clock.advance(1);
  const { position, held } = script.requests[1] ?? {};
  t.equal(position?.revision, "7", "resumed at its turn, from the last sign of life");
  t.same(
    held?.map((entry) => entry.id),
    ["b", "c"],
  );
  script.failOnce = true;
  await script.say(8, { up: "d", ...OWN });
  const { revision, newestRevision } = script.sync.state;
  t.same([revision, newestRevision], [7, 8], "how far behind is known");
  await script.clock.advance(2000);
  await script.say(8, OWN);
  t.same(script.synced.splice(0), ["bcd:all"], "a change that was not taken over is not forgotten");

  await script.say(3, { down: "d" });
  t.same(script.synced.splice(0), [], "an older revision is not believed");
  await script.clock.advance(2000);
  t.same(script.requests.at(-1), {}, "and everything is asked for again");
  await script.say(3, { up: "b", reset: true, ...OWN });
  t.same(script.synced.splice(0), ["b:all"], "as another history may be what there is now");
});

t.test("a stream that falls silent is left, one on an old connection too", async (t) => {
  const script = new Script();
  await using _ = script.sync;
  await settle();
  await script.say(5, { up: "a", reset: true, ...OWN, spread_ms: 4000 });
  await script.clock.advance(74_000);
  t.equal(script.requests.length, 1);
  await script.say(5, {});
  await script.clock.advance(74_000);
  t.equal(script.requests.length, 1, "a sign of life counts");
  await script.clock.advance(1000 + 2000);
  t.equal(script.requests.length, 2, "silence does not");
  await script.say(5, OWN);
  script.sync.leaveOldConnection();
  await script.clock.advance(5000);
  t.equal(script.requests.length, 2, "the connection is the one of now");
  script.generation += 1;
  script.sync.leaveOldConnection();
  script.sync.leaveOldConnection();
  await script.clock.advance(5000);
  t.equal(script.requests.length, 3);
  script.sync.wake();
  await settle();
  t.equal(script.requests.length, 4, "woken");
});
