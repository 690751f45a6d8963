import t, { type Test } from "tap";
import { type LogFields, silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { AgentViews } from "../../../src/server/entries/agent-views.ts";
import {
  AuthorizedEntries,
  type AuthorizedEntriesChange,
  type AuthorizedEntriesSource,
} from "../../../src/server/entries/authorized-entries.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";
import { sampleEntry, sampleNode, selectors } from "../datastore/samples.ts";
import { SERVER, type Rig, agent, id, random, withRig } from "./index-rig.ts";
import { naiveView } from "./naive-authorization.ts";

const check = (title: string, body: (t: Test, rig: Rig) => Promise<void>) =>
  t.test(title, (t) => withRig((rig) => body(t, rig)));

await check("children, grandchildren, cycles and strangers", async (t, { put, ids, index }) => {
  await put(
    sampleEntry("child", { parentId: agent("a") }),
    sampleEntry("grandchild", { parentId: id("child") }),
    sampleEntry("loop", { parentId: id("grandchild"), spiffeId: id("child") }),
    sampleEntry("self", { parentId: id("self") }),
    sampleEntry("other", { parentId: agent("b") }),
    sampleEntry("orphan", { parentId: id("nobody") }),
  );
  t.same(ids(agent("a")), ["child", "grandchild", "loop"]);
  t.same(ids(agent("b")), ["other"]);
  t.same(ids(agent("c")), []);
  t.same(ids(id("nobody")), ["orphan"], "whoever asks: the gate knows the caller");
  t.same(ids(SERVER), []);
  t.equal(index.find(agent("a"), "loop")?.id, "loop");
  for (const missing of ["other", "orphan", "self", "none"]) {
    t.equal(index.find(agent("a"), missing), undefined, missing);
  }
});

await check("node aliases", async (t, { put, putNodes, ids, delete: remove, index }) => {
  await putNodes(
    sampleNode("a", { selectors: selectors("x:1", "x:2") }),
    sampleNode("b", { selectors: selectors("x:1") }),
  );
  await put(
    sampleEntry("alias", {
      parentId: SERVER,
      spiffeId: id("group"),
      selectors: selectors("x:1", "x:2"),
    }),
    sampleEntry("wide", { parentId: SERVER, spiffeId: id("wide"), selectors: selectors("x:1") }),
    sampleEntry("in-group", { parentId: id("group") }),
    sampleEntry("in-wide", { parentId: id("wide") }),
    sampleEntry("below", { parentId: id("in-wide") }),
  );
  t.same(ids(agent("a")), ["below", "in-group", "in-wide"], "the alias itself is no identity");
  t.same(ids(agent("b")), ["below", "in-wide"]);
  t.same(ids(agent("unknown")), []);
  t.equal(index.find(agent("a"), "alias"), undefined);
  await putNodes(sampleNode("b", { selectors: selectors("x:2", "x:3", "x:1") }));
  t.same(ids(agent("b")), ["below", "in-group", "in-wide"]);
  await putNodes(sampleNode("a", { selectors: [] }));
  t.same(ids(agent("a")), []);
  await remove("alias");
  t.same(ids(agent("b")), ["below", "in-wide"]);
});

await check("the agent's own ID as a selector", async (t, { put, putNodes, ids }) => {
  await put(
    sampleEntry("alias", {
      parentId: SERVER,
      spiffeId: id("group"),
      selectors: selectors(`spiffe_id:${agent("a")}`),
    }),
    sampleEntry("w", { parentId: id("group") }),
    // What a join token with an ID makes: an entry below the token's agent.
    sampleEntry("token", { parentId: agent("t"), selectors: selectors(`spiffe_id:${agent("t")}`) }),
    sampleEntry("below-token", { parentId: id("token") }),
  );
  t.same(ids(agent("a")), ["w"], "also for an agent that is not known yet");
  t.same(ids(agent("t")), ["below-token", "token"]);
  t.same(ids(agent("b")), []);
  await putNodes(
    sampleNode("a", { selectors: selectors("x:1") }),
    sampleNode("b", { selectors: selectors(`spiffe_id:${agent("a")}`) }),
  );
  t.same(ids(agent("a")), ["w"]);
  t.same(ids(agent("b")), [], "an attested selector cannot pass for it");
});

await check("order: creation, then id", async (t, { put, ids }) => {
  const at = (name: string, createdAt: number) =>
    sampleEntry(name, { parentId: agent("a"), createdAt });
  await put(at("c", 5), at("a", 7), at("b", 5), at("d", 1));
  t.same(ids(agent("a")), ["d", "b", "c", "a"]);
  await put(at("0", 5), at("a", 0));
  t.same(ids(agent("a")), ["a", "d", "0", "b", "c"]);
});

await check(
  "expired entries and what hangs below them",
  async (t, { put, putNodes, ids, clock, index }) => {
    const now = clock.nowMs() / 1000;
    await putNodes(sampleNode("a", { selectors: selectors("x:1") }));
    await put(
      sampleEntry("soon", { parentId: agent("a"), expiresAt: now + 10 }),
      sampleEntry("below", { parentId: id("soon") }),
      sampleEntry("past", { parentId: agent("a"), expiresAt: now }),
      sampleEntry("alias", {
        parentId: SERVER,
        spiffeId: id("g"),
        selectors: selectors("x:1"),
        expiresAt: now + 20,
      }),
      sampleEntry("grouped", { parentId: id("g") }),
      sampleEntry("forever", { parentId: agent("a") }),
    );
    t.same(ids(agent("a")), ["below", "forever", "grouped", "soon"]);
    clock.step(9999);
    t.same(ids(agent("a")), ["below", "forever", "grouped", "soon"]);
    t.equal(index.find(agent("a"), "soon")?.id, "soon");
    clock.step(1);
    t.same(ids(agent("a")), ["forever", "grouped"], "without any event");
    t.equal(index.find(agent("a"), "soon"), undefined);
    clock.step(10_000);
    t.same(ids(agent("a")), ["forever"]);
  },
);

await check("a change concerns its agents and no others", async (t, rig) => {
  const { put, putNodes, index, delete: remove } = rig;
  await putNodes(
    sampleNode("a", { selectors: selectors("x:1", "x:2") }),
    sampleNode("b", { selectors: selectors("x:1") }),
    sampleNode("c"),
  );
  await put(
    sampleEntry("group", { parentId: SERVER, selectors: selectors("x:2") }),
    sampleEntry("below-a", { parentId: agent("a") }),
    sampleEntry("below-c", { parentId: agent("c") }),
  );
  const heard: AuthorizedEntriesChange[] = [];
  index.onChange((change) => heard.push(change));
  const next = (): { entries: string[]; nodes: string[]; agents: string[] | "all" } => {
    const change = heard.shift();
    if (change === undefined || heard.length > 0) throw new Error("expected one change");
    const { entryIds, nodeIds, agentIds } = change;
    return {
      entries: [...entryIds].sort(),
      nodes: [...nodeIds].sort(),
      agents: agentIds === "all" ? "all" : [...agentIds].sort(),
    };
  };
  const views = () => ["a", "b", "c"].map((name) => index.forAgent(agent(name)));
  let before = views();
  await put(sampleEntry("w", { parentId: agent("b") }));
  t.same(next(), { entries: ["w"], nodes: [], agents: [agent("b")] });
  let after = views();
  t.same(
    after.map((view, i) => view === before[i]),
    [true, false, true],
    "other lists stay the same arrays",
  );
  await put(sampleEntry("w", { parentId: id("below-a") }));
  t.same(next(), { entries: ["w"], nodes: [], agents: [agent("a"), agent("b")] }, "moved");
  await put(sampleEntry("w", { parentId: id("group") }));
  t.same(next(), { entries: ["w"], nodes: [], agents: [agent("a")] }, "through the alias");
  await put(sampleEntry("group", { parentId: SERVER, selectors: selectors("x:1") }));
  t.same(next(), { entries: ["group"], nodes: [], agents: [agent("a"), agent("b")] });
  await put(sampleEntry("lost", { parentId: id("nowhere") }));
  t.same(next(), { entries: ["lost"], nodes: [], agents: [] });
  await putNodes(sampleNode("c", { selectors: selectors("x:9") }));
  t.same(next(), { entries: [], nodes: [agent("c")], agents: [agent("c")] });
  before = views();
  await putNodes(sampleNode("c", { selectors: selectors("x:9"), serial: "ff" }));
  t.same(heard, [], "a renewal is no change here");
  after = views();
  t.ok(after.every((view, i) => view === before[i]));
  await put(sampleEntry("link", { parentId: agent("a"), spiffeId: id("nowhere") }));
  await remove("link");
  heard.length = 0;
  await put(sampleEntry("lost", { parentId: id("nowhere"), hint: "still lost" }));
  t.same(next(), { entries: ["lost"], nodes: [], agents: [] }, "a link that is gone leads nowhere");
  await remove("group", "w", "below-c");
  t.same(next(), {
    entries: ["below-c", "group", "w"],
    nodes: [],
    agents: [agent("a"), agent("b"), agent("c")],
  });
});

await check("commits reach it by themselves", async (t, { store, index, ids }) => {
  const heard: number[] = [];
  const stop = index.onChange(({ revision }) => heard.push(revision));
  index.onChange(() => {
    throw new Error("a listener's own trouble");
  });
  await store.transaction((w) => w.entries.create(sampleEntry("w", { parentId: agent("a") })));
  await settle();
  t.same(ids(agent("a")), ["w"]);
  t.same(heard, [1]);
  t.equal(index.revision, 1);
  stop();
  await store.transaction((w) => w.entries.delete("w"));
  await settle();
  t.same(ids(agent("a")), []);
  t.same(heard, [1]);
  await store.transaction((w) => w.bundles.put("td", "1"));
  await settle();
  t.equal(index.revision, 3, "others' changes move the revision on, too");
});

t.test("without announcements it polls; after a failure it tries again", async (t) => {
  const clock = new VirtualClock();
  const errors: LogFields[] = [];
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  let broken = false;
  const source: AuthorizedEntriesSource = {
    entries: store.entries,
    nodes: store.nodes,
    changes: {
      current: () => store.changes.current(),
      oldest: () => store.changes.oldest(),
      since: async (after, limit) => {
        if (broken) throw new Error("no database");
        return store.changes.since(after, limit);
      },
    },
    onCommit: () => () => undefined,
  };
  const logger = {
    ...silentLogger,
    error: (_: string, fields: LogFields = {}): void => void errors.push(fields),
  };
  await using index = await AuthorizedEntries.load(source, { logger, clock, random, pollMs: 1000 });
  await store.transaction((w) => w.entries.create(sampleEntry("w", { parentId: agent("a") })));
  await settle();
  t.equal(index.forAgent(agent("a")).length, 0);
  await clock.advance(1000);
  t.equal(index.forAgent(agent("a")).length, 1);
  broken = true;
  await store.transaction((w) => w.entries.delete("w"));
  await t.rejects(index.refresh(), { message: "no database" });
  await clock.advance(1000);
  t.equal(errors.length, 1);
  t.equal(index.forAgent(agent("a")).length, 1, "what it had, it keeps");
  broken = false;
  await clock.advance(1000);
  t.equal(index.forAgent(agent("a")).length, 0);
});

t.test("a reader that is too far behind loads everything anew", async (t) => {
  const clock = new VirtualClock();
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  await store.transaction((w) => w.entries.create(sampleEntry("gone", { parentId: agent("a") })));
  const source: AuthorizedEntriesSource = {
    entries: store.entries,
    nodes: store.nodes,
    changes: store.changes,
    onCommit: () => () => undefined,
  };
  await using index = await AuthorizedEntries.load(source, { logger: silentLogger, clock, random });
  t.equal(index.forAgent(agent("a")).length, 1);
  const heard: AuthorizedEntriesChange[] = [];
  index.onChange((change) => heard.push(change));
  await store.transaction((w) => w.entries.delete("gone"));
  await store.transaction((w) => w.entries.create(sampleEntry("new", { parentId: agent("a") })));
  await store.pruneChanges(1);
  await index.refresh();
  t.match(heard, [{ agentIds: "all", revision: 3 }]);
  t.same(
    index.forAgent(agent("a")).map((entry) => entry.id),
    ["new"],
  );
  await store.transaction((w) => w.entries.delete("new"));
  await store.pruneChanges(0);
  await index.refresh();
  t.same(index.forAgent(agent("a")), []);
  t.equal(index.revision, 4);
});

t.test("what changes while it loads is not lost", async (t) => {
  const clock = new VirtualClock();
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  await store.transaction(async (w) => {
    for (let i = 0; i < 5000; i++) {
      await w.entries.create(sampleEntry(`e${i}`, { parentId: agent(String(i % 7)) }));
    }
  });
  const loading = AuthorizedEntries.load(store, { logger: silentLogger, clock, random });
  await store.transaction(async (w) => {
    for (let i = 0; i < 5000; i += 10) await w.entries.delete(`e${i}`);
    await w.entries.create(sampleEntry("first", { parentId: agent("0"), createdAt: 1 }));
    await w.nodes.put(sampleNode("0", { selectors: selectors("x:1") }));
  });
  await using index = await loading;
  const { items } = await store.entries.list({});
  for (let i = 0; i < 7; i++) {
    t.same(index.forAgent(agent(String(i))), naiveView(agent(String(i)), items, [], 0));
  }
  t.equal(index.size, items.length);
});

t.test("cached views are bounded", async (t) => {
  const view = (items: number) => ({
    entries: Array.from({ length: items }, () => sampleEntry("e")),
    validUntil: Number.POSITIVE_INFINITY,
    validFrom: 0,
  });
  const few = new AgentViews(2, 100);
  for (const name of ["a", "b"]) few.set(name, view(1));
  few.get("a");
  few.set("c", view(1));
  t.same(
    ["a", "b", "c"].filter((name) => few.get(name)),
    ["a", "c"],
    "the longest unused one goes",
  );
  const small = new AgentViews(100, 10);
  small.set("a", view(4));
  small.set("b", view(4));
  small.set("c", view(4));
  t.same(
    ["a", "b", "c"].filter((name) => small.get(name)),
    ["b", "c"],
  );
  small.set("huge", view(11));
  t.same(
    ["b", "c", "huge"].filter((name) => small.get(name)),
    ["huge"],
  );
  small.delete("huge");
  small.delete("huge");
  small.set("d", view(10));
  t.equal(small.size, 1);
});

await check("deep chains and wide cycles end", async (t, { put, ids }) => {
  const depth = 3000;
  await put(
    sampleEntry("0", { parentId: agent("a") }),
    ...Array.from({ length: depth }, (_, i) =>
      sampleEntry(String(i + 1), { parentId: id(String(i)), createdAt: i }),
    ),
    ...Array.from({ length: 50 }, (_, i) =>
      sampleEntry(`back${i}`, { parentId: id(String(depth)), spiffeId: id(String(i)) }),
    ),
  );
  t.equal(ids(agent("a")).length, depth + 51);
});
