/**
 * Whose challenge is looked at when. Accounts take turns, and what lasts makes room: after a second a validation is slow
 * and gives its place to the next; slow ones have places of their own, and where those run out, the longest one of
 * whoever has most of them is ended. A target that hangs costs others nothing, then, however many accounts send us there.
 */
import { addressKey } from "../../../base/address-key.ts";
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { KeyedCounts } from "../../../base/keyed-counts.ts";

/** What a validation is given to run with. */
export interface LinePlace {
  /** Aborted with an error of kind `deadline` when others need the place, with another one when the line is disposed. */
  readonly signal: AbortSignal;
  /** To be told each address before it is connected to: so many go to one at once. */
  readonly entering: (address: string) => void;
}

export interface ValidationLineOptions<T> {
  /** Never rejects. */
  readonly run: (task: T, place: LinePlace) => Promise<void>;
  readonly clock: Clock;
}

interface Place {
  readonly accountId: string;
  readonly ending: AbortController;
  readonly stopTimer: () => void;
  /** Key of the address that it goes to; undefined: none yet. */
  target: string | undefined;
}

export class ValidationLine<T> implements AsyncDisposable {
  readonly #options: ValidationLineOptions<T>;
  /** By account; whose turn it is comes first. */
  readonly #waiting = new Map<string, T[]>();
  #manyWaiting = 0;
  readonly #places = new Set<Place>();
  /** Of those, the ones that have lasted; longest first. */
  readonly #slow = new Set<Place>();
  /** How many places each account has. */
  readonly #ofAccount = new KeyedCounts<string>();
  readonly #running = new Set<Promise<void>>();
  #disposed = false;

  constructor(options: ValidationLineOptions<T>) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#manyWaiting;
  }

  get slow(): number {
    return this.#slow.size;
  }

  /** Whether the account may join the line; the end of it is kept for those that have hardly anything in it. */
  hasRoom(accountId: string): boolean {
    const own = this.#waiting.get(accountId)?.length ?? 0;
    const most = own < FEW_WAITING ? MAX_WAITING : MAX_WAITING - KEPT_WAITING;
    return own < MAX_WAITING_OF_ACCOUNT && this.#manyWaiting < most;
  }

  add(accountId: string, task: T): void {
    const own = this.#waiting.get(accountId) ?? [];
    own.push(task);
    this.#waiting.set(accountId, own);
    this.#manyWaiting += 1;
    this.#next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#waiting.clear();
    this.#manyWaiting = 0;
    for (const place of this.#places) {
      this.#leave(place);
      place.ending.abort(fail("cancelled", "the server stops"));
    }
    await Promise.all(this.#running);
  }

  #next(): void {
    while (!this.#disposed && this.#places.size - this.#slow.size < MAX_PROMPT) {
      const turn = this.#takeTurn();
      if (turn === undefined) return;
      this.#begin(turn.accountId, turn.task);
    }
  }

  /** Of the first account that may have another place, which then goes to the end. */
  #takeTurn(): { readonly accountId: string; readonly task: T } | undefined {
    for (const [accountId, [task, ...others]] of this.#waiting) {
      if (this.#ofAccount.of(accountId) >= MAX_OF_ACCOUNT || task === undefined) continue;
      this.#waiting.delete(accountId);
      if (others.length > 0) this.#waiting.set(accountId, others);
      this.#manyWaiting -= 1;
      return { accountId, task };
    }
    return undefined;
  }

  #begin(accountId: string, task: T): void {
    const { run, clock } = this.#options;
    const place: Place = {
      accountId,
      ending: new AbortController(),
      stopTimer: clock.after(PROMPT_MS, () => this.#becomeSlow(place)),
      target: undefined,
    };
    this.#places.add(place);
    this.#ofAccount.add(accountId);
    const { signal } = place.ending;
    const running = run(task, { signal, entering: (at) => this.#enter(place, at) }).finally(() => {
      this.#running.delete(running);
      this.#leave(place);
      this.#next();
    });
    this.#running.add(running);
  }

  #becomeSlow(place: Place): void {
    if (!this.#places.has(place)) return;
    this.#slow.add(place);
    if (this.#slow.size > MAX_SLOW) this.#end([...this.#slow]);
    this.#next();
  }

  #enter(place: Place, address: string): void {
    if (!this.#places.has(place)) return;
    const target = addressKey(address);
    place.target = target;
    const there = [...this.#places].filter((each) => each.target === target);
    if (there.length <= MAX_OF_TARGET) return;
    // One of more than there are prompt places is slow.
    this.#end([...this.#slow].filter((each) => each.target === target));
  }

  /** @param slow longest first */
  #end(slow: readonly Place[]): void {
    const many = new KeyedCounts<string>();
    for (const { accountId } of slow) many.add(accountId);
    const most = Math.max(...slow.map(({ accountId }) => many.of(accountId)));
    const ended = slow.find(({ accountId }) => many.of(accountId) === most);
    if (ended === undefined) return;
    this.#leave(ended);
    ended.ending.abort(
      fail("deadline", "no answer came before others had to be looked at; come again later"),
    );
    this.#next();
  }

  #leave(place: Place): void {
    if (!this.#places.delete(place)) return;
    this.#slow.delete(place);
    place.stopTimer();
    this.#ofAccount.remove(place.accountId);
  }
}

/** Of those that began within the last second. */
const MAX_PROMPT = 64;
const PROMPT_MS = 1000;
/** With so many, and 64 more a second at most, each has seven seconds in the worst of times. */
const MAX_SLOW = 448;
/** Prompt and slow. */
const MAX_OF_ACCOUNT = 16;
/** To one address (of IPv6: one network of 64 bits); not fewer than there are prompt places. */
const MAX_OF_TARGET = 64;
const MAX_WAITING = 10_000;
/** As many as may be pending: an account that deactivates what it has begun must not fill the line for the others. */
const MAX_WAITING_OF_ACCOUNT = 300;
/** Of the line, for accounts with fewer waiting than that. */
const KEPT_WAITING = 1000;
const FEW_WAITING = 10;
