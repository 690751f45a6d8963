import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { AuthorityWatch } from "../cache/authority-watch.ts";
import type { Synced } from "../cache/cache.ts";

/** What is to be replaced before its time, once it is this agent's turn. */
export interface Turn {
  /** Hex subject key ids of X.509 authorities whose SVIDs are not to be relied on. */
  readonly lost: ReadonlySet<string>;
  /** SPIFFE IDs whose SVIDs an operator wants anew; `all`: those of every entry, and the agent's own. */
  readonly rotated: ReadonlySet<string> | "all";
}

export interface ReplacementOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly onTurn: (turn: Turn) => void;
}

/** Gives this agent a moment of its own for work that all agents begin because of the same change. */
export class Replacement implements Disposable {
  readonly #options: ReplacementOptions;
  readonly #authorities = new AuthorityWatch();
  #rotated: Set<string> | "all" = new Set();
  #turn: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: ReplacementOptions) {
    this.#options = options;
  }

  /** Keys that sign JWT-SVIDs and are neither tainted nor gone. */
  get jwtKeyIds(): ReadonlySet<string> {
    return this.#authorities.jwtKeyIds;
  }

  /**
   * Takes note of what a sync asks for.
   * @param spreadMs over how long all agents spread the work
   * @returns the moment of the turn in milliseconds of the wall clock; `undefined` when nothing is asked for
   */
  see({ own, entries, rotated }: Synced, spreadMs: number): number | undefined {
    const hasLost = this.#authorities.see(own);
    if (rotated === "all") this.#rotated = "all";
    else if (this.#rotated !== "all") {
      for (const id of rotated?.keys() ?? []) {
        const spiffeId = entries.get(id)?.spiffeId;
        if (spiffeId !== undefined) this.#rotated.add(spiffeId);
      }
    }
    if (!hasLost && rotated === undefined) return undefined;
    return this.#awaitTurn(spreadMs * this.#options.random.unit());
  }

  [Symbol.dispose](): void {
    this.#turn?.cancel();
  }

  /** A turn that is awaited already serves what came since. */
  #awaitTurn(delayMs: number): number {
    const { clock, onTurn } = this.#options;
    if (this.#turn !== undefined) return this.#turn.atMs;
    const cancel = clock.after(delayMs, () => {
      this.#turn = undefined;
      const rotated = this.#rotated;
      this.#rotated = new Set();
      onTurn({ lost: new Set(this.#authorities.lost), rotated });
    });
    this.#turn = { atMs: clock.nowMs() + delayMs, cancel };
    return this.#turn.atMs;
  }
}
