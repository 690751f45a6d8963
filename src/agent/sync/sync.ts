/** Keeps the cache as the server has it: by its stream of changes or, where it has none, by asking it at intervals. */
import { type Clock, sleep } from "../../base/clock.ts";
import { type AssayError, isKind } from "../../base/errors.ts";
import { inParallel } from "../../base/in-parallel.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Synced } from "../cache/cache.ts";
import { EVERY_DOMAIN, type Entry } from "../cache/entry.ts";
import { Mirror } from "./mirror.ts";
import { type Follow, Push } from "./push.ts";

/** What a sync needs of the server. */
export interface SyncSource {
  fetchEntries(
    known: ReadonlyMap<string, Entry>,
    onBadEntry: (id: string, error: AssayError) => void,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Entry>>;
  fetchBundle(signal: AbortSignal): Promise<Bundle__Output>;
  fetchForeignBundle(trustDomain: string, signal: AbortSignal): Promise<Bundle__Output>;
  /** @throws unsupported when the server has no stream of changes */
  readonly follow: Follow;
  /** Changes when calls go to another connection than before. */
  readonly generation: number;
  /** Whether there is a connection, whatever the server says on it. */
  readonly connected: boolean;
  /** Resolves when there is a connection (again). */
  connect(signal: AbortSignal): Promise<void>;
}

export interface SyncOptions {
  readonly trustDomain: string;
  readonly source: SyncSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Between polls. */
  readonly intervalMs: number;
  /** Called after each poll or change; unchanged entries and bundles are the same objects as before. */
  readonly onSynced: (synced: Synced) => Promise<void>;
  /** Called when the server is heard again after failures. */
  readonly onBack?: () => void;
}

/** How well the agent hears its server. */
export interface SyncState {
  /** How it heard from the server last; `undefined` before it did. */
  readonly mode: "push" | "poll" | undefined;
  /** Milliseconds since 1970; 0 before the first. */
  readonly lastContactMs: number;
  /** How far in the server's history of changes; `undefined` while that is unknown. */
  readonly revision: number | undefined;
  /** The newest one that the server named; `undefined` while none was. */
  readonly newestRevision: number | undefined;
  /** When something was taken over, milliseconds since 1970; 0 before the first. */
  readonly lastAppliedMs: number;
  /** In a row. */
  readonly failures: number;
  readonly lastError: AssayError | undefined;
}

export class Sync implements AsyncDisposable {
  readonly #options: SyncOptions;
  readonly #mirror: Mirror;
  #intervalMs: number;
  readonly #push: Push;
  readonly #loop: Loop;
  #stream: AbortController | undefined;
  #generation = 0;
  #cancelReopen: (() => void) | undefined;
  #reconnecting: AbortController | undefined;
  #pushAgainAtMs = 0;
  #failures = 0;
  #lastSuccessMs = 0;
  #polledAtMs = 0;
  #lastError: AssayError | undefined;
  #mode: SyncState["mode"];

  constructor(options: SyncOptions) {
    this.#options = options;
    const { clock, random, logger, intervalMs, trustDomain, source, onSynced } = options;
    this.#intervalMs = intervalMs;
    this.#mirror = new Mirror(logger);
    this.#push = new Push({
      trustDomain,
      follow: (...args) => source.follow(...args),
      mirror: this.#mirror,
      clock,
      onSynced,
    });
    this.#loop = new Loop({
      name: "sync",
      clock,
      random,
      round: (signal) => this.#round(signal),
      backoff: {
        baseMs: Math.min(intervalMs, RETRY_MS),
        maxMs: Math.min(MAX_INTERVALS * intervalMs, MAX_BACKOFF_MS),
        jitter: 0.2,
      },
      onError: (error, retryMs) => {
        this.#failures += 1;
        this.#lastError = error;
        // Whoever answers next may be another server.
        this.#pushAgainAtMs = 0;
        logger.warn("sync with the server failed; serving on what is held", {
          error,
          retryMs,
          failures: this.#failures,
        });
        void this.#awaitConnection(Math.min(retryMs, RECONNECT_MS));
      },
    });
  }

  /** When the server last said what there is, or that nothing changed; 0: not yet. */
  get lastSuccessMs(): number {
    return this.#lastSuccessMs;
  }

  /** Over how long work is to be spread that all agents begin because of the last change. */
  get spreadMs(): number {
    return this.#push.spreadMs;
  }

  get state(): SyncState {
    return {
      mode: this.#mode,
      lastContactMs: this.#lastSuccessMs,
      revision: this.#push.revision,
      newestRevision: this.#push.newestRevision,
      lastAppliedMs: Math.max(this.#push.lastAppliedMs, this.#polledAtMs),
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  /** Polls at once, or right after the round that runs; follows anew where the server has a stream. */
  wake(): void {
    this.#loop.wake();
    this.#stream?.abort();
  }

  /** Milliseconds between polls from now on; a server that pushes is not asked. */
  changeInterval(ms: number): void {
    this.#intervalMs = ms;
    if (this.#mode === "poll") this.#loop.wake();
  }

  /** Leaves a connection that was made with an SVID or a bundle of before, not all agents at the same moment. */
  leaveOldConnection(): void {
    const { source, clock, random } = this.#options;
    if (this.#generation === source.generation) return;
    if (this.#stream === undefined) {
      // What failed with the SVID of before may well succeed with this one.
      if (this.#failures > 0) this.#loop.wake();
      return;
    }
    this.#cancelReopen ??= clock.after(this.spreadMs * random.unit(), () => this.wake());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reconnecting?.abort();
    await this.#loop[Symbol.asyncDispose]();
  }

  /**
   * A server that was away may be about to sign with an authority that this agent has not seen, and after that the
   * agent would not know the server any more: it asks as soon as there is a connection, however long it failed before.
   */
  async #awaitConnection(atLeastMs: number): Promise<void> {
    const { source, clock } = this.#options;
    if (source.connected || this.#reconnecting !== undefined) return;
    const waiting = new AbortController();
    this.#reconnecting = waiting;
    try {
      const { signal } = waiting;
      await Promise.all([source.connect(signal), sleep(clock, atLeastMs, signal)]);
      this.#loop.wake();
    } catch {
      // Given up, as another attempt came first or the agent stops: the next failure waits anew.
      waiting.abort();
    } finally {
      this.#reconnecting = undefined;
    }
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { clock, logger, random } = this.#options;
    if (clock.nowMs() >= this.#pushAgainAtMs) {
      try {
        return await this.#follow(signal);
      } catch (error) {
        if (!isKind(error, "unsupported")) throw error;
        logger.info("the server has no stream of changes; it is asked at intervals");
        this.#pushAgainAtMs = clock.nowMs() + PUSH_AGAIN_MS * (1 + random.unit());
      }
    }
    return this.#poll(signal);
  }

  /** @returns milliseconds until it should be tried again, after a stream that worked for a while */
  async #follow(signal: AbortSignal): Promise<number> {
    const { source, logger, random } = this.#options;
    const stream = new AbortController();
    this.#stream = stream;
    this.#generation = source.generation;
    let worked = false;
    try {
      return await this.#push.run(
        () => {
          worked = true;
          this.#succeeded("push");
          this.leaveOldConnection();
        },
        AbortSignal.any([signal, stream.signal]),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (stream.signal.aborted) return 0;
      if (!worked) throw error;
      logger.info("the server's stream of changes ended; following anew", { error });
      // Its other agents come back as well.
      return Math.max(this.spreadMs, REOPEN_MS) * random.unit();
    } finally {
      this.#stream = undefined;
      this.#cancelReopen?.();
      this.#cancelReopen = undefined;
    }
  }

  async #poll(signal: AbortSignal): Promise<number> {
    const { source, onSynced, random, trustDomain } = this.#options;
    const mirror = this.#mirror;
    this.#generation = source.generation;
    const [entries, own] = await Promise.all([
      source.fetchEntries(mirror.entries, (id, error) => mirror.badEntry(id, error), signal),
      source.fetchBundle(signal),
    ]);
    const foreign = await this.#fetchForeign(entries, signal);
    this.#push.forget();
    mirror.own = mirror.bundle(own, trustDomain, mirror.own);
    mirror.entries = new Map(entries);
    mirror.foreign = foreign;
    await onSynced({ entries: mirror.entries, own: mirror.own, foreign });
    this.#succeeded("poll");
    this.#polledAtMs = this.#lastSuccessMs;
    return this.#intervalMs * (1 - 0.1 * random.unit());
  }

  #succeeded(mode: "push" | "poll"): void {
    this.#reconnecting?.abort();
    const isBack = this.#failures > 0;
    if (isBack) this.#options.logger.info("sync with the server works again");
    this.#failures = 0;
    this.#lastError = undefined;
    this.#mode = mode;
    this.#lastSuccessMs = this.#options.clock.nowMs();
    if (isBack) this.#options.onBack?.();
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
    // Servers that are polled name each one.
    names.delete(EVERY_DOMAIN);
    const found = new Map<string, Bundle>();
    await inParallel([...names].sort(), MAX_PARALLEL_BUNDLES, async (name) => {
      const before = this.#mirror.foreign.get(name);
      try {
        const message = await source.fetchForeignBundle(name, signal);
        found.set(name, this.#mirror.bundle(message, name, before));
      } catch (error) {
        signal.throwIfAborted();
        logger.warn("bundle of a federated trust domain not fetched", { trustDomain: name, error });
        // Deleted on the server means gone; a failure means: what there was.
        if (before !== undefined && !isKind(error, "not_found")) found.set(name, before);
      }
    });
    return found;
  }
}

/** As SPIRE agents do: 48 intervals; but a server that is back is found within two minutes. */
const MAX_INTERVALS = 48;
const MAX_BACKOFF_MS = 2 * 60_000;
const RETRY_MS = 1000;
/** The longest wait once there is a connection. */
const RECONNECT_MS = 5000;
const REOPEN_MS = 500;
const PUSH_AGAIN_MS = 5 * 60_000;
const MAX_PARALLEL_BUNDLES = 8;
