/** One store: what is to lie in it, and the loop that brings it there. A store that is away holds up no other. */
import { createHash } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Place, StoredSvid, SvidBackend } from "./contract.ts";
import type { Ledger, LedgerLine } from "./ledger.ts";
import { placeKey, placeOf } from "./place.ts";

/** What an entry wants to lie where. */
export interface Wish {
  readonly entryId: string;
  readonly selectors: readonly Selector[];
  readonly place: Place;
  /** `undefined` while it is not signed; what lies there stays. */
  readonly svid: StoredSvid | undefined;
}

export interface StoreLaneOptions {
  readonly backend: SvidBackend;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onOutcome: (store: string, outcome: "put" | "removed" | "failed") => void;
}

export class StoreLane implements AsyncDisposable {
  readonly #options: StoreLaneOptions;
  readonly #loop: Loop;
  #wishes: readonly Wish[] | undefined;
  /** Fingerprints of what lies there, by entry. */
  readonly #put = new Map<string, string>();
  /** Those that an answer of the store's ended a round for: the next one has the others first, should it be for them alone. */
  readonly #last = new Set<string>();
  readonly #failures = new Map<string, { readonly attempts: number; readonly retryAtMs: number }>();

  constructor(options: StoreLaneOptions) {
    this.#options = options;
    const { backend, clock, random, logger } = options;
    this.#loop = new Loop({
      name: `SVID store ${backend.name}`,
      clock,
      random,
      backoff: { maxMs: 60_000 },
      round: (signal) => this.#round(signal),
      onError: (error, retryMs) => {
        options.onOutcome(backend.name, "failed");
        logger.warn("the SVID store is away", {
          store: backend.name,
          error,
          retryMs,
        });
      },
    });
  }

  get name(): string {
    return this.#options.backend.name;
  }

  /** How many SVIDs lie in the store. */
  get count(): number {
    return this.#put.size;
  }

  /** From now on exactly these are to lie there. */
  want(wishes: readonly Wish[]): void {
    // What failed may go now that something else is asked for: one place can have been wanted twice.
    if (placesOf(wishes) !== placesOf(this.#wishes ?? [])) this.#failures.clear();
    this.#wishes = wishes;
    this.#loop.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop[Symbol.asyncDispose]();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const wishes = this.#wishes;
    if (wishes === undefined) return CHECK_MS;
    const byEntry = new Map(wishes.map((wish) => [wish.entryId, wish]));
    const holders = new Map<string, string>();
    // The first of them has a place, in the order of their creation.
    for (const { entryId, place } of [...wishes].reverse()) {
      holders.set(placeKey(this.name, place), entryId);
    }
    const tasks = [
      ...this.#lines()
        .filter((line) => !isAt(line, byEntry.get(line.entryId)))
        .map((line) => ({ id: line.entryId, work: () => this.#remove(line, signal) })),
      ...wishes.map((wish) => ({
        id: wish.entryId,
        work: () => this.#bring(wish, holders, signal),
      })),
    ];
    const isLast = ({ id }: { readonly id: string }): boolean => this.#last.has(id);
    for (const task of [...tasks.filter((each) => !isLast(each)), ...tasks.filter(isLast)]) {
      await this.#attempt(task.id, task.work);
    }
    this.#last.clear();
    for (const id of this.#put.keys()) if (!byEntry.has(id)) this.#put.delete(id);
    for (const id of this.#failures.keys()) {
      if (!byEntry.has(id) && this.#options.ledger.get(id) === undefined) this.#failures.delete(id);
    }
    return CHECK_MS;
  }

  /** One that fails alone is tried again later; that the store is away concerns all. */
  async #attempt(entryId: string, work: () => Promise<void>): Promise<void> {
    const { clock, logger, onOutcome } = this.#options;
    const failure = this.#failures.get(entryId);
    const nowMs = clock.nowMs();
    if (
      failure !== undefined &&
      failure.retryAtMs > nowMs &&
      failure.retryAtMs - nowMs <= RETRY_MAX_MS
    ) {
      return;
    }
    try {
      await work();
      this.#failures.delete(entryId);
    } catch (thrown) {
      const error: AssayError = errorFrom(thrown);
      if (isKind(error, "unavailable", "deadline", "cancelled", "unauthenticated")) {
        this.#last.add(entryId);
        throw error;
      }
      const attempts = (failure?.attempts ?? 0) + 1;
      const delayMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(attempts - 1, 20));
      this.#failures.set(entryId, { attempts, retryAtMs: clock.nowMs() + delayMs });
      onOutcome(this.name, "failed");
      logger.warn("SVID not stored", { store: this.name, entry: entryId, error });
    }
  }

  #lines(): readonly LedgerLine[] {
    return this.#options.ledger.lines().filter(({ selectors }) => selectors[0]?.type === this.name);
  }

  /** @param holders the entry that has the place, by place */
  async #bring(
    wish: Wish,
    holders: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { backend, ledger, logger, onOutcome } = this.#options;
    const { entryId, selectors, place, svid } = wish;
    backend.check(place);
    const key = placeKey(this.name, place);
    const holder = holders.get(key);
    if (holder !== entryId) {
      throw fail("conflict", `entry ${holder} has its SVID at the same place`);
    }
    if (svid === undefined) return;
    const fingerprint = fingerprintOf(svid);
    if (this.#put.get(entryId) === fingerprint) return;
    const held = ledger.get(entryId);
    // Its old place has to be cleared first; that failed, and is tried again.
    if (held !== undefined && !isAt(held, wish)) return;
    if (held === undefined) await ledger.set({ entryId, selectors });
    const handle = await backend.put(place, svid, signal);
    await ledger.set({ entryId, selectors, handle });
    this.#put.set(entryId, fingerprint);
    // What could not be taken away from there is replaced by now, and must not take this one along later.
    for (const line of this.#lines()) {
      if (line.entryId !== entryId && isAt(line, wish)) await ledger.delete(line.entryId);
    }
    onOutcome(this.name, "put");
    logger.info("SVID stored", {
      store: this.name,
      entry: entryId,
      spiffeId: svid.spiffeId,
      expiresAt: new Date(svid.expiresAt * 1000).toISOString(),
    });
  }

  async #remove({ entryId, selectors, handle }: LedgerLine, signal: AbortSignal): Promise<void> {
    const { backend, ledger, logger, onOutcome } = this.#options;
    if (ledger.get(entryId) === undefined) return;
    await backend.remove(placeOf(selectors).place, handle, signal);
    await ledger.delete(entryId);
    this.#put.delete(entryId);
    onOutcome(this.name, "removed");
    logger.info("stored SVID taken away", { store: this.name, entry: entryId });
  }
}

function placesOf(wishes: readonly Wish[]): string {
  return wishes.map(({ entryId, place }) => placeKey(entryId, place)).join();
}

function isAt({ selectors }: LedgerLine, wish: Wish | undefined): boolean {
  if (wish === undefined) return false;
  const { store, place } = placeOf(selectors);
  return placeKey(store, place) === placeKey(store, wish.place);
}

function fingerprintOf({ spiffeId, hint, chain, key, bundle, federated }: StoredSvid): string {
  const hash = createHash("sha256");
  const part = (...bytes: readonly (Uint8Array | string)[]): void => {
    hash.update(`${bytes.length}\n`);
    for (const each of bytes) hash.update(`${each.length}:`).update(each);
  };
  part(spiffeId, hint, key);
  part(...chain);
  part(...bundle);
  for (const [trustDomain, roots] of federated) part(trustDomain, ...roots);
  return hash.digest("hex");
}

const CHECK_MS = 30_000;
const RETRY_BASE_MS = 5000;
const RETRY_MAX_MS = 8 * 60_000;
