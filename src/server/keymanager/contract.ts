import type { KeyType, Signer } from "../../keys/contract.ts";

/**
 * Where authorities' private keys live. A key never leaves its manager: callers get a `Signer`.
 * Each implementation passes test/server/keymanager/conformance.ts.
 */
export interface KeyManager extends AsyncDisposable {
  /** Makes (or replaces) the key `name` and stores it durably before it resolves. */
  generate(name: string, keyType: KeyType): Promise<Signer>;
  /** @returns undefined when there is no such key */
  get(name: string): Promise<Signer | undefined>;
  /** The names of all keys, in no order. */
  list(): Promise<readonly string[]>;
  /** @returns whether there was one */
  delete(name: string): Promise<boolean>;
  /** Why its keys cannot be used now, one sentence without secrets; absent or undefined while they can. */
  problem?(): string | undefined;
}
