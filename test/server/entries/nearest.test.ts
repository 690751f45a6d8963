/** Which entries the server names to an agent that looks for one. */
import t from "tap";
import { sampleEntry } from "../datastore/samples.ts";
import { withRig } from "./index-rig.ts";
import type { EntryRecord } from "../../../src/server/datastore/contract.ts";
import { EntryGraph } from "../../../src/server/entries/entry-graph.ts";
import { nearestEntries } from "../../../src/server/entries/nearest-entries.ts";
import { parseSelector } from "../../../src/spiffe/selector.ts";

const AGENT = "spiffe://example.org/spire/agent/x/1";
const never = new AbortController().signal;

function entry(id: string, selectors: readonly string[], change: Partial<EntryRecord> = {}) {
  return sampleEntry(id, {
    parentId: "spiffe://example.org/nobody",
    selectors: selectors.map(parseSelector),
    ...change,
  });
}

function graphOf(...entries: readonly EntryRecord[]): EntryGraph {
  const graph = new EntryGraph();
  for (const each of entries) graph.putEntry(each);
  return graph;
}

async function near(graph: EntryGraph, signal = never): Promise<unknown[]> {
  const found = await nearestEntries(graph, {
    parents: new Set([AGENT]),
    selectors: ["a:1", "b:2"].map(parseSelector),
    now: 100,
    signal,
  });
  return found.map(({ entry: { id }, missing, obstacles, parentKind }) => [
    id,
    missing.length,
    obstacles.join("+"),
    parentKind,
  ]);
}

t.test("what is near enough to be named, and in which order", async (t) => {
  const own = { parentId: AGENT };
  const graph = graphOf(
    entry("nothing-in-common", ["c:3"]),
    entry("two-missing", ["a:1", "c:3", "d:4"]),
    entry("one-missing", ["a:1", "c:3"]),
    entry("whole", ["a:1"]),
    entry("elsewhere", ["a:1", "b:2"], { parentId: "spiffe://example.org/whole" }),
    entry("own", ["b:2"], own),
    entry("own-in-part", ["a:1", "c:3"], own),
    entry("own-expired", ["a:1", "b:2"], { ...own, expiresAt: 100 }),
    entry("alias", ["a:1"], { parentId: "spiffe://example.org/spire/server" }),
  );
  t.same(await near(graph), [
    ["own-expired", 0, "expired", undefined],
    ["alias", 0, "node_alias", undefined],
    ["own", 0, "", undefined],
    ["whole", 0, "parent", "nobody"],
    ["elsewhere", 0, "parent", "entry"],
    ["one-missing", 1, "parent", "nobody"],
  ]);
});

t.test("never more than ten, and it can be given up", async (t) => {
  const many = Array.from({ length: 5000 }, (_, i) => entry(`e${i}`, ["a:1"]));
  const graph = graphOf(...many, entry("best", ["a:1", "b:2"]));
  const found = await near(graph);
  t.equal(found.length, 10);
  t.match(found[0], ["best"]);
  await t.rejects(near(graph, AbortSignal.abort(new Error("gone"))), { message: "gone" });
});

t.test("one search at a time, and not too many that wait", async (t) => {
  await withRig(async (rig) => {
    await rig.put(sampleEntry("one", { parentId: "spiffe://example.org/nobody" }));
    const ask = (signal = never) => rig.index.nearest(AGENT, sampleEntry("one").selectors, signal);
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => ask()));
    const refused = answers.filter(({ status }) => status === "rejected");
    t.equal(refused.length, 4);
    t.match(refused[0], { reason: { kind: "limited" } });
    const [answer] = (await ask()).entries;
    t.equal(answer?.entry.id, "one", "and then as before");
    await t.rejects(ask(AbortSignal.abort(new Error("gone"))), { message: "gone" });
    t.equal((await ask()).entries.length, 1, "one that was given up holds nobody up");
  });
});
