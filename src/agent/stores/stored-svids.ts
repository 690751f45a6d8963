/** SVIDs of entries with a stored SVID: made and renewed as those of workloads are, and handed to their stores. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { errorFrom } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import type { Logger } from "../../observe/logger.ts";
import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseCertificates } from "../../x509/certificate.ts";
import type { Synced } from "../cache/cache.ts";
import {
  EVERY_DOMAIN,
  type Entry,
  compareEntries,
  entryVersion,
  isExpired,
} from "../cache/entry.ts";
import { type HeldSvid, SvidStore } from "../cache/svid-store.ts";
import { InVain } from "../sync/in-vain.ts";
import { SvidMaker, type SvidSigner } from "../sync/svid-maker.ts";
import type { StoredSvid, SvidBackend } from "./contract.ts";
import { Ledger } from "./ledger.ts";
import { placeOf } from "./place.ts";
import { StoreLane, type Wish } from "./store-lane.ts";

export interface StoredSvidsOptions {
  readonly config: Pick<AgentConfig, "svidStores" | "trustDomain" | "dataDir" | "workloadKeyType">;
  readonly signer: SvidSigner;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** True once nothing new will be signed for this agent. */
  readonly isFading: () => boolean;
}

export class StoredSvids implements AsyncDisposable {
  readonly #options: StoredSvidsOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #ledger: Ledger;
  #stores: AgentConfig["svidStores"];
  #lanes: ReadonlyMap<string, StoreLane> = new Map();
  /** The lanes of now, and what speaks to their stores. */
  #opened = new AsyncDisposableStack();
  readonly #changes = new Serial();
  /** Other stores are about to take over. */
  #changesDue = 0;
  readonly #held = new SvidStore(MAX_STORED);
  readonly #inVain: InVain;
  readonly #maker: SvidMaker;
  readonly #loop: Loop;
  #entries: ReadonlyMap<string, Entry> = new Map();
  #bundles: Pick<Synced, "own" | "foreign"> | undefined;
  #lost: ReadonlySet<string> = new Set();
  /** How many entries there were above the bound. */
  #beyond = 0;
  /** Entries whose store there is not, as they were when that was said. */
  readonly #said = new Map<string, string>();

  private constructor(
    options: StoredSvidsOptions,
    backends: readonly SvidBackend[],
    stack: AsyncDisposableStack,
  ) {
    const { config, signer, clock, random, logger, metrics } = options;
    this.#options = options;
    this.#inVain = new InVain(options);
    this.#ledger = new Ledger(join(config.dataDir, LEDGER), logger);
    this.#stores = config.svidStores;
    this.#stack.defer(() => this.#opened.disposeAsync());
    this.#stack.defer(() => this.#changes.idle());
    this.#begin(backends, stack);
    metrics.read(AGENT_METRICS.storedSvids, () =>
      [...this.#lanes.values()].map(({ name, count }) => ({ labels: [name], value: count })),
    );
    this.#maker = new SvidMaker({
      signer,
      keyType: config.workloadKeyType,
      clock,
      random,
      logger,
      onMade: (made, failed) => this.#made(made, failed),
    });
    this.#loop = this.#stack.use(
      new Loop({
        name: "stored SVIDs",
        clock,
        random,
        backoff: { maxMs: 60_000 },
        round: (signal) => this.#round(signal),
        onError: (error, retryMs) =>
          logger.warn("SVIDs for stores were not signed; those there stay", {
            error,
            retryMs,
          }),
      }),
    );
  }

  /** @throws precondition, invalid when settings of a store do not do */
  static async open(options: StoredSvidsOptions): Promise<StoredSvids> {
    const stack = new AsyncDisposableStack();
    return new StoredSvids(options, await backendsOf(options.config, options, stack), stack);
  }

  /**
   * Checks other stores. With what is returned they take over, once what is under way in those of before is done; all
   * SVIDs are put anew there.
   * @throws precondition, invalid when settings of a store do not do
   */
  async prepare(svidStores: AgentConfig["svidStores"]): Promise<() => void> {
    if (isDeepStrictEqual(svidStores, this.#stores)) return () => undefined;
    const { trustDomain } = this.#options.config;
    const stack = new AsyncDisposableStack();
    const backends = await backendsOf({ svidStores, trustDomain }, this.#options, stack);
    return () => {
      this.#stores = svidStores;
      this.#changesDue += 1;
      // Reloads come one after the other, but may be quicker than a store.
      void this.#changes.run(() => this.#change(backends, stack));
    };
  }

  /** How many SVIDs are held for stores. */
  get count(): number {
    return this.#held.size;
  }

  /**
   * Takes over a sync.
   * @param turnAtMs when SVIDs that an operator wants anew are made
   */
  see({ entries, own, foreign, rotated }: Synced, turnAtMs: number | undefined): void {
    const stored = new Map<string, Entry>();
    let beyond = 0;
    for (const entry of entries.values()) {
      if (!entry.storeSvid || entry.isNodeAlias || entry.template !== undefined) continue;
      if (stored.size < MAX_STORED) stored.set(entry.id, entry);
      else beyond += 1;
    }
    if (beyond !== this.#beyond && beyond > 0) {
      this.#options.logger.warn("more SVIDs are to be stored than an agent can; some are not", {
        stored: MAX_STORED,
        beyond,
      });
    }
    this.#beyond = beyond;
    for (const [id, before] of this.#entries) {
      const after = stored.get(id);
      if (after !== undefined) {
        if (before !== after) this.#held.keep(before, after);
        continue;
      }
      this.#held.release([id]);
      this.#held.remove(id);
      this.#said.delete(id);
    }
    // The store waits for each of them, as a stream of a workload would.
    this.#held.hold([...stored.keys()].filter((id) => !this.#entries.has(id)));
    if (rotated !== undefined && turnAtMs !== undefined) {
      for (const before of rotated === "all" ? this.#entries.values() : rotated.values()) {
        const entry = stored.get(before.id);
        if (entry !== undefined) this.#held.rotate(before, entry, turnAtMs);
      }
    }
    this.#entries = stored;
    this.#bundles = { own, foreign };
    this.#loop.wake();
  }

  /** From now on SVIDs of these authorities are replaced. */
  replace(authorityIds: ReadonlySet<string>): void {
    this.#lost = authorityIds;
    this.#inVain.reset();
    this.#loop.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #change(backends: readonly SvidBackend[], stack: AsyncDisposableStack): Promise<void> {
    try {
      await this.#opened.disposeAsync();
    } catch (error) {
      this.#options.logger.warn("an SVID store did not end well", { error });
    }
    this.#begin(backends, stack);
    this.#changesDue -= 1;
    this.#loop.wake();
  }

  #begin(backends: readonly SvidBackend[], stack: AsyncDisposableStack): void {
    const { clock, random, logger, metrics } = this.#options;
    this.#opened = new AsyncDisposableStack();
    const opened = this.#opened;
    opened.use(stack);
    const onOutcome = (store: string, outcome: string): void =>
      metrics.add(AGENT_METRICS.storedSvidOutcomes, [store, outcome]);
    const tools = { ledger: this.#ledger, clock, random, logger, onOutcome };
    this.#lanes = new Map(
      backends.map((backend) => [backend.name, opened.use(new StoreLane({ backend, ...tools }))]),
    );
    for (const { entryId, selectors } of this.#ledger.lines()) {
      const store = selectors[0]?.type ?? "";
      if (this.#lanes.has(store)) continue;
      logger.warn("an SVID lies in a store that is not configured any more", {
        entry: entryId,
        store,
      });
    }
  }

  async #round(signal: AbortSignal): Promise<number> {
    if (this.#bundles === undefined || this.#changesDue > 0) return CHECK_MS;
    const { clock, isFading } = this.#options;
    const now = epochSeconds(clock);
    this.#held.trim(now);
    const live = [...this.#entries.values()]
      .filter((entry) => !isExpired(entry, now))
      .sort(compareEntries);
    const wishes = this.#wishes(live);
    for (const [name, lane] of this.#lanes) lane.want(wishes.get(name) ?? []);
    const ready = live.filter(({ id }) => !this.#said.has(id));
    const { awaited, others } = this.#held.due(ready, clock.nowMs(), this.#lost);
    const due = [...awaited, ...this.#inVain.pick(others)];
    if (due.length === 0 || isFading()) return CHECK_MS;
    const batch = due.slice(0, PER_ROUND);
    await this.#maker.make(batch, signal);
    this.#inVain.replaced(batch);
    return 0;
  }

  #made(made: readonly HeldSvid[], failed: readonly Entry[]): void {
    for (const svid of made) if (this.#entries.has(svid.entryId)) this.#held.put(svid);
    for (const entry of failed) this.#held.failed(entry, this.#options.clock.nowMs());
    this.#loop.wake();
  }

  #wishes(entries: readonly Entry[]): ReadonlyMap<string, Wish[]> {
    const wishes = new Map<string, Wish[]>();
    for (const entry of entries) {
      const { id: entryId, selectors } = entry;
      try {
        const { store, place } = placeOf(selectors);
        if (!this.#lanes.has(store)) {
          this.#sayOnce(
            entry,
            "no SVID store of the entry's type is configured; set it in svidStores of the agent's file",
            { store },
          );
          continue;
        }
        const list = wishes.get(store) ?? [];
        list.push({ entryId, selectors, place, svid: this.#storedOf(entry) });
        wishes.set(store, list);
        this.#said.delete(entryId);
      } catch (thrown) {
        this.#sayOnce(entry, "SVID not stored", { error: errorFrom(thrown) });
      }
    }
    return wishes;
  }

  #sayOnce(entry: Entry, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#said.get(entry.id) === entryVersion(entry)) return;
    this.#said.set(entry.id, entryVersion(entry));
    this.#options.logger.warn(message, { entry: entry.id, ...fields });
  }

  #storedOf(entry: Entry): StoredSvid | undefined {
    const held = this.#held.usable(entry, epochSeconds(this.#options.clock));
    if (held === undefined || this.#bundles === undefined) return undefined;
    const { own, foreign } = this.#bundles;
    const names = entry.federatesWith.includes(EVERY_DOMAIN)
      ? [...foreign.keys()]
      : entry.federatesWith;
    const federated = names
      .filter((name) => name !== own.trustDomain)
      .sort()
      .flatMap((name) => {
        const bundle = foreign.get(name);
        return bundle === undefined ? [] : [[name, rootsOf(bundle)] as const];
      });
    return {
      spiffeId: held.spiffeId,
      hint: entry.hint,
      expiresAt: held.expiresAt,
      chain: parseCertificates(held.chain).map(({ raw }) => raw),
      key: held.key,
      bundle: rootsOf(own),
      federated: new Map(federated),
    };
  }
}

/** Most agents have none, and do not pay for what speaks to them. */
async function backendsOf(
  config: Pick<AgentConfig, "svidStores" | "trustDomain">,
  { clock, random }: Pick<StoredSvidsOptions, "clock" | "random">,
  stack: AsyncDisposableStack,
): Promise<readonly SvidBackend[]> {
  if (Object.keys(config.svidStores).length === 0) return [];
  const { svidBackends } = await import("./backends.ts");
  return svidBackends(config, { clock, random, stack });
}

function rootsOf({ x509Authorities }: Bundle): Uint8Array[] {
  return x509Authorities.map(({ der }) => der);
}

/** Entries beyond are not stored. */
const MAX_STORED = 10_000;
const PER_ROUND = 200;
const CHECK_MS = 5000;
const LEDGER = "stored-svids.json";
