/** What is to be trusted, and whose it is. */
export interface ExportedTrust {
  readonly trustDomain: string;
  /** Empty = the trust domain's own. */
  readonly set: string;
  /** DER, at least one. */
  readonly roots: readonly Uint8Array[];
  /** When it was exported, epoch seconds. */
  readonly at: number;
}
