/** Who a token was first shown by: whoever else shows it during its life found it somewhere. */
import type { EpochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";

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
  /** From when on the token is refused for its age. */
  readonly until: EpochSeconds;
  readonly now: EpochSeconds;
}

interface Held {
  holder: TokenHolder;
  readonly until: EpochSeconds;
}

export class TokenHolders {
  readonly #held = new Map<string, Held>();
  readonly #max: number;

  constructor(max = MAX_HELD) {
    this.#max = max;
  }

  /**
   * Binds a token to who shows it first; passes for the same again.
   * @throws denied when somebody else showed it; limited when too many tokens are in use (none is forgotten for it)
   */
  hold({ fingerprint, holder, until, now }: HoldParams): void {
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
    if (this.#held.size >= this.#max) this.#forgetBefore(now);
    if (this.#held.size >= this.#max) {
      throw fail("limited", `more than ${this.#max} tokens are in use; try again later`);
    }
    this.#held.set(fingerprint, { holder, until });
  }

  #forgetBefore(now: EpochSeconds): void {
    for (const [fingerprint, { until }] of this.#held) {
      if (until <= now) this.#held.delete(fingerprint);
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
