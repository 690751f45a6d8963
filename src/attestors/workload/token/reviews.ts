import { orAborted } from "../../../base/abort.ts";
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import type { VerifiedToken } from "../../issuer/issuer.ts";
import { reviewToken } from "../../kubernetes/api.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";

export interface TokenReviewsOptions {
  /** Of the cluster that made the tokens. */
  readonly client: KubernetesClient;
  readonly audiences: readonly string[];
  readonly clock: Clock;
}

/**
 * What the cluster says of tokens whose signature is good: one whose pod or service account is gone counts no more, though
 * it has not expired. However many show a token, the cluster is asked about it once at a time.
 */
export class TokenReviews {
  readonly #options: TokenReviewsOptions;
  /** By the token's fingerprint, when it was accepted last. */
  readonly #accepted = new LruMap<string, number>(MAX_ACCEPTED);
  readonly #asking = new Map<string, Promise<void>>();

  constructor(options: TokenReviewsOptions) {
    this.#options = options;
  }

  /** @throws denied when the cluster does not accept the token any more; unavailable, deadline when it does not say */
  check(token: string, { fingerprint }: VerifiedToken, signal: AbortSignal): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const acceptedMs = this.#accepted.get(fingerprint);
    if (acceptedMs !== undefined && Math.abs(nowMs - acceptedMs) < HOLDS_MS) {
      return Promise.resolve();
    }
    let asking = this.#asking.get(fingerprint);
    if (asking === undefined) {
      if (this.#asking.size >= MAX_ASKING) {
        return Promise.reject(
          fail("limited", "too many tokens are being reviewed; try again later"),
        );
      }
      asking = this.#ask(token, fingerprint, nowMs);
      this.#asking.set(fingerprint, asking);
    }
    // Others may wait for the same answer: one who gives up leaves it to them.
    return orAborted(asking, signal);
  }

  async #ask(token: string, fingerprint: string, nowMs: number): Promise<void> {
    const { client, audiences } = this.#options;
    try {
      // Bounded by the client's own deadline.
      await reviewToken(client, token, audiences, new AbortController().signal);
      this.#accepted.set(fingerprint, nowMs);
    } finally {
      this.#asking.delete(fingerprint);
    }
  }
}

const MAX_ASKING = 256;
/** The API server itself remembers its answers for about as long. */
const HOLDS_MS = 10_000;
const MAX_ACCEPTED = 4096;
