/** Keeps the cache as the server has it: entries and bundles in one round, and each foreign bundle on its own. */
import type { Clock } from "../../base/clock.ts";
import { type AssayError, isKind } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Synced } from "../cache/cache.ts";
import type { Entry } from "../cache/entry.ts";
import { sameBundle } from "../identity/agent-identity.ts";
import { bundleFromMessage } from "../server-client/messages.ts";

/** What a sync needs of the server. */
export interface SyncSource {
  fetchEntries(
    known: ReadonlyMap<string, Entry>,
    onBadEntry: (id: string, error: AssayError) => void,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Entry>>;
  fetchBundle(signal: AbortSignal): Promise<Bundle__Output>;
  fetchForeignBundle(trustDomain: string, signal: AbortSignal): Promise<Bundle__Output>;
}

export interface SyncOptions {
  readonly trustDomain: string;
  readonly source: SyncSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** Called after each round; unchanged entries and bundles are the same objects as before. */
  readonly onSynced: (synced: Synced) => Promise<void>;
}

export class Sync implements AsyncDisposable {
  readonly #options: SyncOptions;
  readonly #loop: Loop;
  #entries: ReadonlyMap<string, Entry> = new Map();
  #own: Bundle | undefined;
  #foreign: ReadonlyMap<string, Bundle> = new Map();
  #failures = 0;

  constructor(options: SyncOptions) {
    this.#options = options;
    const { clock, random, logger, intervalMs } = options;
    this.#loop = new Loop({
      name: "sync",
      clock,
      random,
      round: (signal) => this.#round(signal),
      backoff: {
        baseMs: intervalMs,
        maxMs: Math.min(MAX_INTERVALS * intervalMs, MAX_BACKOFF_MS),
        jitter: 0.2,
      },
      onError: (error, retryMs) => {
        this.#failures += 1;
        logger.warn("sync with the server failed; serving on what is held", {
          error,
          retryMs: Math.round(retryMs),
          failures: this.#failures,
        });
      },
    });
  }

  /** Syncs at once, or right after the round that runs. */
  wake(): void {
    this.#loop.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop[Symbol.asyncDispose]();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { source, logger, intervalMs, onSynced, random } = this.#options;
    const [entries, own] = await Promise.all([
      source.fetchEntries(
        this.#entries,
        (entry, error) =>
          logger.warn("the server sent an entry that makes no sense", { entry, error }),
        signal,
      ),
      this.#fetchOwn(signal),
    ]);
    this.#foreign = await this.#fetchForeign(entries, signal);
    this.#entries = entries;
    this.#own = own;
    await onSynced({ entries, own, foreign: this.#foreign });
    if (this.#failures > 0) logger.info("sync with the server works again");
    this.#failures = 0;
    return intervalMs * (1 - 0.1 * random.unit());
  }

  async #fetchOwn(signal: AbortSignal): Promise<Bundle> {
    const { source, trustDomain } = this.#options;
    return this.#accept(await source.fetchBundle(signal), trustDomain, this.#own);
  }

  /** Each foreign bundle fails alone: the one that was held before stays. */
  async #fetchForeign(
    entries: ReadonlyMap<string, Entry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Bundle>> {
    const { source, trustDomain, logger } = this.#options;
    const names = new Set<string>();
    for (const entry of entries.values()) for (const name of entry.federatesWith) names.add(name);
    names.delete(trustDomain);
    const found = new Map<string, Bundle>();
    const queue = [...names].sort();
    const fetchNext = async (): Promise<void> => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
        const before = this.#foreign.get(name);
        try {
          const message = await source.fetchForeignBundle(name, signal);
          found.set(name, this.#accept(message, name, before));
        } catch (error) {
          signal.throwIfAborted();
          logger.warn("bundle of a federated trust domain not fetched", {
            trustDomain: name,
            error,
          });
          // Deleted on the server means gone; a failure means: what there was.
          if (before !== undefined && !isKind(error, "not_found")) found.set(name, before);
        }
      }
    };
    await Promise.all(Array.from({ length: MAX_PARALLEL_BUNDLES }, fetchNext));
    return found;
  }

  #accept(message: Bundle__Output, trustDomain: string, before: Bundle | undefined): Bundle {
    const { bundle, skipped } = bundleFromMessage(message, trustDomain);
    for (const error of skipped) {
      this.#options.logger.warn("an authority of a bundle makes no sense and is left out", {
        trustDomain,
        error,
      });
    }
    return before !== undefined && sameBundle(before, bundle) ? before : bundle;
  }
}

/** As SPIRE agents do: 48 intervals, at most 8 minutes. */
const MAX_INTERVALS = 48;
const MAX_BACKOFF_MS = 8 * 60_000;
const MAX_PARALLEL_BUNDLES = 8;
