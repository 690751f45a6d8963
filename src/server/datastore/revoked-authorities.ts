import type { EpochSeconds } from "../../base/clock.ts";

/** An authority that was revoked here. Whoever offers it again, it stays out of the bundle. */
export interface RevokedAuthority {
  /** Name of the authority set that it, or what it signed, was of. */
  readonly set: string;
  readonly kind: "x509" | "jwt";
  /** X.509: hex key id of the root. JWT: the key id. */
  readonly id: string;
  /** When it ends anyway. */
  readonly notAfter: EpochSeconds;
}

export interface RevokedAuthorityReader {
  /** Ordered by kind and id. */
  list(set: string): Promise<readonly RevokedAuthority[]>;
}

export interface RevokedAuthorityWriter extends RevokedAuthorityReader {
  /** Creates or replaces. */
  put(authority: RevokedAuthority): Promise<void>;
  /** Deletes those of all sets with notAfter < before. @returns how many */
  prune(before: EpochSeconds): Promise<number>;
}
