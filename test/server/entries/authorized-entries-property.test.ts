import fc from "fast-check";
import t from "tap";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { EntryRecord, NodeRecord } from "../../../src/server/datastore/contract.ts";
import { AuthorizedEntries } from "../../../src/server/entries/authorized-entries.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { sampleEntry, sampleNode, selectors } from "../datastore/samples.ts";
import { SERVER, agent, id, random, withRig } from "./index-rig.ts";
import { naiveView } from "./naive-authorization.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"];
const AGENTS = ["1", "2", "3", "4"];
const anyOf = (...values: string[]) => fc.constantFrom(...values);
const parent = fc.oneof(
  anyOf(...AGENTS.map(agent)),
  { arbitrary: anyOf(...NAMES.map(id)), weight: 2 },
  fc.constant(SERVER),
);
const selectorTexts = (most: number) =>
  fc.uniqueArray(anyOf("x:1", "x:2", "x:3", "y:1", `spiffe_id:${agent("1")}`), {
    minLength: 0,
    maxLength: most,
  });

type Step =
  | { readonly kind: "put"; readonly entry: EntryRecord }
  | { readonly kind: "delete"; readonly entryId: string }
  | { readonly kind: "node"; readonly node: NodeRecord }
  | { readonly kind: "evict"; readonly agentId: string }
  | { readonly kind: "wait"; readonly ms: number };

const START = new VirtualClock().nowMs() / 1000;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        entryId: fc.nat(19),
        parentId: parent,
        spiffeId: anyOf(...NAMES.map(id)),
        createdAt: fc.nat(3),
        expiresAt: fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, fc.nat(40)),
        texts: selectorTexts(3),
      })
      .map(({ entryId, texts, expiresAt, ...rest }) => ({
        kind: "put" as const,
        entry: sampleEntry(`e${entryId}`, {
          ...rest,
          expiresAt: expiresAt === 0 ? 0 : START + expiresAt,
          // The id keeps similar entries apart; an alias without it matches agents.
          selectors: selectors(
            ...(rest.parentId === SERVER ? ["x:1", ...texts] : [`id:${entryId}`]),
          ),
        }),
      })),
  },
  { weight: 2, arbitrary: fc.nat(19).map((n) => ({ kind: "delete" as const, entryId: `e${n}` })) },
  {
    weight: 2,
    arbitrary: fc.tuple(anyOf(...AGENTS), selectorTexts(4)).map(([name, texts]) => ({
      kind: "node" as const,
      node: sampleNode(name, { selectors: selectors(...texts) }),
    })),
  },
  {
    weight: 1,
    arbitrary: anyOf(...AGENTS).map((name) => ({ kind: "evict" as const, agentId: agent(name) })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 5000 }).map((ms) => ({ kind: "wait" as const, ms })),
  },
);

t.test("property: kept up, it equals the plain rules and one built anew", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 }),
      (rounds) =>
        withRig(async ({ store, index, clock }) => {
          const heard = new Set<string>();
          index.onChange(({ agentIds }) => {
            for (const agentId of agentIds === "all" ? [] : agentIds) heard.add(agentId);
          });
          const plainViews = async () => {
            const { items } = await store.entries.list({});
            const nodes = (await store.nodes.list({})).items;
            const now = Math.floor(clock.nowMs() / 1000);
            return AGENTS.map(agent).map((agentId) => naiveView(agentId, items, nodes, now));
          };
          let lastRevision = 0;
          for (const steps of rounds) {
            for (const one of steps) if (one.kind === "wait") clock.step(one.ms);
            const before = await plainViews();
            heard.clear();
            await store.transaction(async (w) => {
              for (const one of steps) {
                if (one.kind === "delete") await w.entries.delete(one.entryId);
                if (one.kind === "node") await w.nodes.put(one.node);
                if (one.kind === "evict") await w.nodes.delete(one.agentId);
                if (one.kind !== "put") continue;
                if ((await w.entries.findSimilar(one.entry)) !== undefined) continue;
                await w.entries.delete(one.entry.id);
                await w.entries.create(one.entry);
              }
            });
            await index.refresh();
            const after = await plainViews();
            const { items } = await store.entries.list({});
            for (const [i, agentId] of AGENTS.map(agent).entries()) {
              equal(index.forAgent(agentId), after[i], "the plain rules");
              if (!same(before[i], after[i]) && !heard.has(agentId)) {
                throw new Error(`${agentId} was not told`);
              }
              for (const entry of items) {
                const authorized = after[i]?.some((other) => other.id === entry.id) === true;
                if ((index.find(agentId, entry.id) !== undefined) !== authorized) {
                  throw new Error(`find(${agentId}, ${entry.id}) is wrong`);
                }
              }
            }
            if (index.revision < lastRevision) throw new Error("the revision went back");
            lastRevision = index.revision;
          }
          const options = { logger: silentLogger, clock, random };
          await using anew = await AuthorizedEntries.load(store, options);
          for (const agentId of AGENTS.map(agent)) {
            equal(index.forAgent(agentId), anew.forAgent(agentId), "built anew");
          }
          equal(index.revision, anew.revision, "revision");
        }),
    ),
    { seed: 1, numRuns: 150 },
  );
  t.pass("150 histories");
});

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function equal(found: unknown, wanted: unknown, what: string): void {
  if (!same(found, wanted)) {
    throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  }
}
