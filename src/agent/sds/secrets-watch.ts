import type { Clock } from "../../base/clock.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Cache, Subscription, ViewUpdate } from "../cache/cache.ts";
import type { SecretSets } from "./secret-sets.ts";
import type { Secrets } from "./secrets.ts";

export interface SecretsWatchOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly sets: SecretSets;
  readonly selectors: readonly Selector[];
  /** Told of each new state, the first one included, maybe before the constructor returns. */
  readonly onChange: (watch: SecretsWatch) => void;
}

/** What a caller may have now. Nothing before the agent's first sync, and not before its SVIDs are signed. */
export class SecretsWatch implements Disposable {
  readonly #options: SecretsWatchOptions;
  readonly #subscription: Subscription;
  readonly #cancelHold: () => void;
  #secrets: Secrets | undefined;
  #isWhole = false;
  #hasIdentity = false;

  constructor(options: SecretsWatchOptions) {
    this.#options = options;
    const { cache, clock, selectors } = options;
    this.#subscription = cache.subscribe(selectors, "x509", (update) => this.#take(update));
    this.#cancelHold =
      this.#secrets === undefined
        ? clock.after(HOLD_MS, () => void this.#subscription.settle())
        : () => undefined;
  }

  get secrets(): Secrets | undefined {
    return this.#secrets;
  }

  /** False while some SVID is still to be signed. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get hasIdentity(): boolean {
    return this.#hasIdentity;
  }

  [Symbol.dispose](): void {
    this.#cancelHold();
    this.#subscription.close();
  }

  #take(update: ViewUpdate): void {
    const { sets, cache, onChange } = this.#options;
    const before = this.#secrets;
    this.#hasIdentity = update.kind === "view";
    this.#isWhole = update.kind === "none" || update.complete;
    if (update.kind === "view") this.#secrets = sets.ofView(update);
    else if (cache.ownBundle !== undefined) this.#secrets = sets.ofBundle(cache.ownBundle);
    // A caller without an identity is told so again and again.
    if (this.#secrets !== before) onChange(this);
  }
}

/** How long a missing SVID holds up the others. Proxies wait 15 s for their first secrets unless told otherwise. */
const HOLD_MS = 10_000;
