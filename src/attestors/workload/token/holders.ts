/** Who a token was first shown by: whoever else shows it during its life found it somewhere. */
import type { EpochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { KeyedCounts } from "../../../base/keyed-counts.ts";

/** A connection of the Workload API: the same object for all calls on it. */
export interface TokenConnection {
  alive(): boolean;
}

/**
 * A pod or a process, by a name that is nobody else's; or the connection of a caller that the kernel does not name,
 * with its user.
 */
export type TokenHolder =
  | { readonly name: string }
  | {
      readonly connection: TokenConnection;
      readonly uid: number;
      /** Another connection of the same user may follow once this one has ended. */
      readonly mayFollow: boolean;
    };

export interface HoldParams {
  /** `VerifiedToken.fingerprint`. */
  readonly fingerprint: string;
  readonly holder: TokenHolder;
  /** Whose share of the places it takes: a name that one caller cannot have many of. */
  readonly share: string;
  /** From when on the token is refused for its age. */
  readonly until: EpochSeconds;
  readonly now: EpochSeconds;
}

interface Held {
  holder: TokenHolder;
  readonly share: string;
  readonly until: EpochSeconds;
}

export interface TokenHoldersOptions {
  /** Tokens of all. Default: 20,000. */
  readonly max?: number;
  /** Tokens of one share. Default: a sixteenth of `max`. */
  readonly maxEach?: number;
}

export class TokenHolders {
  readonly #held = new Map<string, Held>();
  /** Tokens by share. */
  readonly #ofShare = new KeyedCounts<string>();
  readonly #max: number;
  readonly #maxEach: number;
  /** No token ends before. */
  #firstEnd: EpochSeconds | undefined;

  constructor({ max = MAX_HELD, maxEach = Math.ceil(max / SHARES) }: TokenHoldersOptions = {}) {
    this.#max = max;
    this.#maxEach = maxEach;
  }

  /**
   * Binds a token to who shows it first; passes for the same again.
   * @throws denied when somebody else showed it; limited when too many tokens are in use, of all or of this share (none
   *   is forgotten for it)
   */
  hold({ fingerprint, holder, share, until, now }: HoldParams): void {
    const held = this.#held.get(fingerprint);
    if (held !== undefined) {
      if (!isSame(held.holder, holder)) {
        throw fail(
          "denied",
          "token was shown by another process before; have one of your own issued",
        );
      }
      held.holder = holder;
      return;
    }
    if (this.#isFull(share)) this.#forgetBefore(now);
    if (this.#ofShare.of(share) >= this.#maxEach) {
      throw fail(
        "limited",
        `more than ${this.#maxEach} tokens of one user, container or pod are in use; try again when one has expired`,
      );
    }
    if (this.#held.size >= this.#max) {
      throw fail("limited", `more than ${this.#max} tokens are in use; try again later`);
    }
    this.#held.set(fingerprint, { holder, share, until });
    this.#ofShare.add(share);
    this.#ends(until);
  }

  #isFull(share: string): boolean {
    return this.#held.size >= this.#max || this.#ofShare.of(share) >= this.#maxEach;
  }

  #ends(at: EpochSeconds): void {
    if (this.#firstEnd === undefined || at < this.#firstEnd) this.#firstEnd = at;
  }

  /** Looks at them all only when one of them has ended: who is refused again and again costs nothing. */
  #forgetBefore(now: EpochSeconds): void {
    if (this.#firstEnd === undefined || this.#firstEnd > now) return;
    this.#firstEnd = undefined;
    for (const [fingerprint, { share, until }] of this.#held) {
      if (until > now) {
        this.#ends(until);
        continue;
      }
      this.#held.delete(fingerprint);
      this.#ofShare.remove(share);
    }
  }
}

function isSame(held: TokenHolder, holder: TokenHolder): boolean {
  if ("name" in held || "name" in holder) {
    return "name" in held && "name" in holder && held.name === holder.name;
  }
  if (held.connection === holder.connection) return true;
  return held.mayFollow && held.uid === holder.uid && !held.connection.alive();
}

const MAX_HELD = 20_000;
/** So many greedy callers it takes to leave no place for the next. */
const SHARES = 16;
