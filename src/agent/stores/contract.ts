/**
 * SVID stores: where an agent puts the X.509-SVIDs of entries that are marked so (`store_svid`), for consumers that
 * cannot reach it. The one place where a workload's key leaves its host; doc/security.md lists it.
 */
import type { EpochSeconds } from "../../base/clock.ts";

/** What is put: the SVID, its key, and whom its holder is to trust. */
export interface StoredSvid {
  readonly spiffeId: string;
  /** "" where the entry has none. */
  readonly hint: string;
  readonly expiresAt: EpochSeconds;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** PKCS #8. */
  readonly key: Uint8Array;
  /** DER roots of the own trust domain. */
  readonly bundle: readonly Uint8Array[];
  /** DER roots of the trust domains that the entry federates with, by their names. */
  readonly federated: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** The values of an entry's selectors, which all have the store's type: `path` -> `web/tls` for `vault:path:web/tls`. */
export type Place = ReadonlyMap<string, string>;

/** One implementation passes `test/agent/stores/conformance.ts`. Several agents may write to the same place. */
export interface SvidBackend {
  /** The selector type, `vault`. */
  readonly name: string;
  /**
   * Whether the store is one that takes this place.
   * @throws invalid when a value is missing, unknown or of a wrong form; denied beyond the bounds of the configuration
   */
  check(place: Place): void;
  /**
   * Puts the SVID in the place of the one before, all of it at once.
   * @returns what `remove` needs to know that it is still ours; kept on disk, so no secret
   * @throws conflict when what is there is somebody else's; denied; unavailable and deadline when the store is away
   */
  put(place: Place, svid: StoredSvid, signal: AbortSignal): Promise<string>;
  /**
   * Takes it away; what is gone already, or is somebody else's by now, is no error.
   * @param handle what `put` returned last; `undefined` when its answer never came
   * @throws as `put`
   */
  remove(place: Place, handle: string | undefined, signal: AbortSignal): Promise<void>;
}
