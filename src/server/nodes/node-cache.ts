import type { Datastore, NodeReader, NodeRecord } from "../datastore/contract.ts";
import { readChanges } from "../datastore/read-changes.ts";
import type { Logger } from "../../observe/logger.ts";
import { errorFrom } from "../../base/errors.ts";

/** What each call of an agent is checked against; small, because all nodes are held. */
export type NodeStatus = Pick<
  NodeRecord,
  "spiffeId" | "serial" | "newSerial" | "banned" | "canReattest" | "rotation"
>;

/** Every node's status in memory, kept by the change feed. It follows the store and never runs ahead of it. */
export class NodeCache implements AsyncDisposable {
  readonly #datastore: Datastore;
  readonly #logger: Logger;
  readonly #nodes = new Map<string, NodeStatus>();
  readonly #listeners = new Set<(spiffeId: string) => void>();
  readonly #unsubscribe: () => void;
  #revision = 0;
  #running: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  #closed = false;

  private constructor(datastore: Datastore, logger: Logger) {
    this.#datastore = datastore;
    this.#logger = logger;
    this.#unsubscribe = datastore.onCommit(() => void this.#follow());
  }

  static async load(datastore: Datastore, logger: Logger): Promise<NodeCache> {
    const cache = new NodeCache(datastore, logger);
    await cache.#reload();
    return cache;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(spiffeId: string): NodeStatus | undefined {
    return this.#nodes.get(spiffeId);
  }

  /** Told of each node whose status changed, that came or went. @returns unsubscribe */
  onChange(listener: (spiffeId: string) => void): () => void {
    const own = (spiffeId: string): void => listener(spiffeId);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Reads one node from the store at once, for an answer that the cache is about to refuse. */
  async refetch(spiffeId: string): Promise<NodeStatus | undefined> {
    await this.refresh();
    return this.#nodes.get(spiffeId);
  }

  /** Resolves when everything committed before the call is seen here. */
  refresh(): Promise<void> {
    if (this.#queued !== undefined) return this.#queued;
    const before = this.#running ?? Promise.resolve();
    const pass = before
      .catch(() => undefined) // that pass told its own callers
      .then(() => {
        this.#queued = undefined;
        this.#running = pass;
        return this.#pass();
      });
    this.#queued = pass;
    return pass;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    await (this.#queued ?? this.#running)?.catch(() => undefined);
  }

  async #follow(): Promise<void> {
    try {
      await this.refresh();
    } catch (thrown) {
      this.#logger.warn("nodes could not be refreshed", { error: errorFrom(thrown) });
    }
  }

  async #pass(): Promise<void> {
    if (this.#closed) return;
    const { changes, nodes } = this.#datastore;
    const isMissed = await readChanges(changes, this.#revision, async (rows, revision) => {
      const ids = new Set(rows.filter((c) => c.subject === "node").map((c) => c.key));
      for (const id of ids) {
        const node = await nodes.get(id);
        if (node === undefined) this.#drop(id);
        else this.#keep(node);
      }
      this.#revision = revision;
    });
    if (isMissed) await this.#reload();
  }

  async #reload(): Promise<void> {
    const revision = await this.#datastore.changes.current();
    const seen = new Set<string>();
    for await (const node of allNodes(this.#datastore.nodes)) {
      this.#keep(node);
      seen.add(node.spiffeId);
    }
    for (const id of this.#nodes.keys()) if (!seen.has(id)) this.#drop(id);
    this.#revision = revision;
  }

  #keep({ spiffeId, serial, newSerial, banned, canReattest, rotation }: NodeRecord): void {
    const before = this.#nodes.get(spiffeId);
    if (
      before?.serial === serial &&
      before.newSerial === newSerial &&
      before.banned === banned &&
      before.canReattest === canReattest &&
      before.rotation === rotation
    ) {
      return;
    }
    this.#nodes.set(spiffeId, { spiffeId, serial, newSerial, banned, canReattest, rotation });
    this.#tell(spiffeId);
  }

  #drop(spiffeId: string): void {
    if (this.#nodes.delete(spiffeId)) this.#tell(spiffeId);
  }

  #tell(spiffeId: string): void {
    for (const listener of this.#listeners) {
      try {
        listener(spiffeId);
      } catch (thrown) {
        this.#logger.error("a listener of the nodes failed", { error: errorFrom(thrown) });
      }
    }
  }
}

async function* allNodes(nodes: NodeReader): AsyncGenerator<NodeRecord> {
  let token: string | undefined;
  do {
    const page = await nodes.list(
      {},
      { size: NODES_PER_PAGE, ...(token === undefined ? {} : { token }) },
    );
    yield* page.items;
    token = page.nextToken;
  } while (token !== undefined);
}

const NODES_PER_PAGE = 1000;
