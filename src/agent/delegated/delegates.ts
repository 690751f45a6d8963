import { fail } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Cache } from "../cache/cache.ts";
import type { Peer } from "../peer/peer.ts";
import { unmatched } from "../workload-api/unmatched.ts";
import { whenSynced } from "../workload-api/when-synced.ts";

export interface DelegatesOptions {
  readonly attestation: Attestation;
  readonly cache: Cache;
  readonly clock: Clock;
  /** SPIFFE IDs of delegates, as they are now. */
  readonly authorized: () => readonly string[];
}

/** A caller that may have the identities of others, and by which of its own. */
export interface Delegate {
  readonly spiffeId: string;
  readonly selectors: readonly Selector[];
}

/** Who may ask for identities on behalf of other workloads: whoever has one of the configured SPIFFE IDs itself. */
export class Delegates {
  readonly #options: DelegatesOptions;

  constructor(options: DelegatesOptions) {
    this.#options = options;
  }

  /** @throws denied for anyone else; unavailable before the first sync, or when the caller could not be told */
  async admit(call: GrpcCall<Peer>): Promise<Delegate> {
    const { attestation, cache, clock } = this.#options;
    const selectors = await attestation.attest(call.context, call);
    await whenSynced(cache, clock, call.signal);
    return { selectors, spiffeId: this.#idOf(selectors) };
  }

  /** Calls `onEnd` when the delegate is none any more. @returns how to stop */
  watch({ selectors }: Delegate, onEnd: (reason: Error) => void): () => void {
    // Its own view changes whenever one of its entries does.
    const subscription = this.#options.cache.subscribe(selectors, "x509", () => {
      try {
        this.#idOf(selectors);
      } catch (thrown) {
        onEnd(thrown as Error);
      }
    });
    return () => subscription.close();
  }

  /** Looks again. @throws denied */
  require({ selectors }: Delegate): void {
    this.#idOf(selectors);
  }

  #idOf(selectors: readonly Selector[]): string {
    const { attestation, authorized, cache } = this.#options;
    const entries = cache.match(selectors);
    if (entries.length === 0) throw unmatched(attestation, selectors);
    const allowed = new Set(authorized());
    const found = entries.find(({ spiffeId }) => allowed.has(spiffeId));
    if (found === undefined)
      throw fail("denied", "caller not configured as an authorized delegate");
    return found.spiffeId;
  }
}
