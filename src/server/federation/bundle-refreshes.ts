/** Which foreign bundles are fetched: those of the configuration file, and of the relationships that are stored. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import type { Datastore, RelationshipRecord } from "../datastore/contract.ts";
import { readChanges } from "../datastore/read-changes.ts";
import { BundleRefresh, type RefreshStatus } from "./bundle-refresh.ts";
import type { ConfiguredDomain } from "./configured-domains.ts";
import type { BundleSource } from "./fetch-bundle.ts";
import { Turns } from "./turns.ts";

export interface BundleRefreshesParams {
  readonly configured: ReadonlyMap<string, ConfiguredDomain>;
  readonly datastore: Pick<Datastore, "relationships" | "changes" | "onCommit">;
  readonly bundles: Pick<BundleService, "find" | "set" | "onChange">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One loop for each relationship, made and ended as relationships come and go. */
export class BundleRefreshes implements AsyncDisposable {
  readonly #params: BundleRefreshesParams;
  readonly #loops = new Map<string, BundleRefresh>();
  readonly #turns = new Turns(MAX_AT_ONCE);
  readonly #rounds = new Serial();
  readonly #stop = new AbortController();
  readonly #unsubscribe: readonly (() => void)[];
  #configured: ReadonlyMap<string, ConfiguredDomain>;
  #revision = 0;
  #pending = false;

  private constructor(params: BundleRefreshesParams) {
    this.#params = params;
    this.#configured = params.configured;
    const { datastore, bundles } = params;
    this.#unsubscribe = [
      datastore.onCommit((revision) => this.#follow(revision)),
      bundles.onChange(() => {
        for (const loop of this.#loops.values()) loop.bundleChanged();
      }),
    ];
  }

  /** The fetches themselves go on in the background: no peer holds up a start. */
  static async open(params: BundleRefreshesParams): Promise<BundleRefreshes> {
    const refreshes = new BundleRefreshes(params);
    await refreshes.#rounds.run(() => refreshes.#reconcile());
    return refreshes;
  }

  /** Others of the configuration file, from now on. */
  configure(configured: ReadonlyMap<string, ConfiguredDomain>): void {
    this.#configured = configured;
    this.#reconcileSoon();
  }

  /** Whether the configuration file has the domain; what is stored of it does not count then. */
  isConfigured(trustDomain: string): boolean {
    return this.#configured.has(trustDomain);
  }

  /** By trust domain. */
  statuses(): readonly RefreshStatus[] {
    return [...this.#loops.keys()].sort().flatMap((name) => this.status(name) ?? []);
  }

  status(trustDomain: string): RefreshStatus | undefined {
    return this.#loops.get(trustDomain)?.status();
  }

  /** Fetches the domain's bundle now. @throws not_found without a relationship; what the fetch does */
  async refresh(trustDomain: string, signal: AbortSignal): Promise<void> {
    await this.#rounds.run(() => this.#round());
    const loop = this.#loops.get(trustDomain);
    if (loop === undefined) {
      throw fail("not_found", `no federation relationship with '${trustDomain}'`);
    }
    await loop.refresh(AbortSignal.any([signal, this.#stop.signal]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#rounds.idle();
    await Promise.all([...this.#loops.values()].map((loop) => loop[Symbol.asyncDispose]()));
    this.#loops.clear();
  }

  #follow(revision: number): void {
    if (this.#pending || this.#stop.signal.aborted || revision <= this.#revision) return;
    this.#pending = true;
    this.#inTurn(() => {
      this.#pending = false;
      return this.#round();
    });
  }

  #reconcileSoon(): void {
    this.#inTurn(() => this.#reconcile());
  }

  #inTurn(task: () => Promise<void>): void {
    this.#rounds
      .run(task)
      // The next commit tries again from the same revision.
      .catch((error: unknown) =>
        this.#params.logger.error("federation relationships were not read", { error }),
      );
  }

  async #round(): Promise<void> {
    let isTouched = false;
    const { changes } = this.#params.datastore;
    const isMissed = await readChanges(changes, this.#revision, (rows, revision) => {
      isTouched ||= rows.some(({ subject }) => subject === "relationship");
      if (!isTouched) this.#revision = revision;
    });
    if (isMissed || isTouched) await this.#reconcile();
  }

  async #reconcile(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { datastore, bundles, logger } = this.#params;
    const isStart = this.#revision === 0;
    const revision = await datastore.changes.current();
    const { items } = await datastore.relationships.list();
    const wanted = new Map<string, BundleSource>(
      items.map((record) => [record.trustDomain, sourceOf(record)]),
    );
    for (const [name, { source, firstBundle }] of this.#configured) {
      wanted.set(name, source);
      if (firstBundle === undefined || bundles.find(name) !== undefined) continue;
      await bundles.set(firstBundle);
      logger.info("first bundle of a foreign domain taken from its file", { trustDomain: name });
    }
    for (const [name, loop] of this.#loops) {
      if (isDeepStrictEqual(wanted.get(name), loop.source)) continue;
      this.#loops.delete(name);
      await loop[Symbol.asyncDispose]();
    }
    let started = 0;
    for (const [name, source] of wanted) {
      if (this.#loops.has(name)) continue;
      started += 1;
      const firstDelayMs = isStart ? Math.min(started * SPREAD_MS, MAX_SPREAD_MS) : 0;
      const { clock, random, metrics } = this.#params;
      const turns = this.#turns;
      const params = { source, bundles, turns, clock, random, logger, metrics, firstDelayMs };
      this.#loops.set(name, new BundleRefresh(params));
    }
    // Not before all is as it should be: what failed is tried again with the next commit.
    this.#revision = revision;
  }
}

function sourceOf(record: RelationshipRecord): BundleSource {
  const { trustDomain, endpointUrl, endpointProfile, endpointSpiffeId } = record;
  return { trustDomain, endpointUrl, endpointProfile, endpointSpiffeId };
}

/** A slow endpoint holds its place for the deadline of a fetch at most. */
const MAX_AT_ONCE = 32;
/** Between the first fetches of a server that starts. */
const SPREAD_MS = 50;
const MAX_SPREAD_MS = 60_000;
