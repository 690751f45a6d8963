import type { Random } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { Datastore, EntryRecord, NodeRecord } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { AuthorizedEntries } from "../../../src/server/entries/authorized-entries.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { sampleNode } from "../datastore/samples.ts";

export const SERVER = "spiffe://example.org/spire/server";
export const agent = (name: string): string => sampleNode(name).spiffeId;
export const id = (name: string): string => `spiffe://example.org/${name}`;
export const random: Random = { bytes: (length) => new Uint8Array(length), unit: () => 0 };

/** An index over a store of its own, kept up after each write. */
export interface Rig {
  readonly store: Datastore;
  readonly clock: VirtualClock;
  readonly index: AuthorizedEntries;
  /** Creates or replaces. */
  readonly put: (...entries: EntryRecord[]) => Promise<void>;
  readonly putNodes: (...nodes: NodeRecord[]) => Promise<void>;
  readonly delete: (...ids: string[]) => Promise<void>;
  /** The ids of the entries that the agent may fetch. */
  readonly ids: (agentId: string) => string[];
}

export async function withRig(body: (rig: Rig) => Promise<void>): Promise<void> {
  const clock = new VirtualClock();
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  await using index = await AuthorizedEntries.load(store, { logger: silentLogger, clock, random });
  await body({
    store,
    clock,
    index,
    put: async (...entries) => {
      await store.transaction(async (w) => {
        for (const entry of entries) {
          await w.entries.delete(entry.id);
          await w.entries.create(entry);
        }
      });
      await index.refresh();
    },
    putNodes: async (...nodes) => {
      await store.transaction(async (w) => {
        for (const node of nodes) await w.nodes.put(node);
      });
      await index.refresh();
    },
    delete: async (...ids) => {
      await store.transaction(async (w) => {
        for (const entryId of ids) await w.entries.delete(entryId);
      });
      await index.refresh();
    },
    ids: (agentId) => index.forAgent(agentId).map((entry) => entry.id),
  });
}
