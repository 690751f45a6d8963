import type { ChangeReader } from "../datastore/contract.ts";

/** A place in the change feed. */
export interface Position {
  readonly revision: number;
  /** When the change of that revision was committed: a feed that was restored from a copy has others. */
  readonly mark: number;
}

/** Tells places in the change feed that agents can go on from. */
export class Positions {
  readonly #changes: Pick<ChangeReader, "since">;
  #last: Position | undefined;

  constructor(changes: Pick<ChangeReader, "since">) {
    this.#changes = changes;
  }

  /** The mark is 0, which nobody goes on from, when the feed has dropped the revision. */
  async of(revision: number): Promise<Position> {
    if (this.#last?.revision === revision) return this.#last;
    const position = { revision, mark: await this.#mark(revision) };
    if (position.mark > 0) this.#last = position;
    return position;
  }

  /** Whether the feed came by here: what followed is known then. */
  async isKnown({ revision, mark }: Position): Promise<boolean> {
    return revision > 0 && mark > 0 && (await this.#mark(revision)) === mark;
  }

  async #mark(revision: number): Promise<number> {
    const [row] = await this.#changes.since(revision - 1, 1);
    return row?.revision === revision ? row.atMs : 0;
  }
}
