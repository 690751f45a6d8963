import type { EpochSeconds } from "../../base/clock.ts";

/** A certificate without a SPIFFE ID that stands for the one-time token that led to it. */
export interface RenewableCertificate {
  /** SHA-256 of its DER, lower-case hex. */
  readonly hash: string;
  /** Of the token: those that renewed each other have it in common. */
  readonly tokenHash: string;
  readonly entryId: string;
  /** Hex key id of its issuer. Empty, with the serial: made by a version that did not write them down. */
  readonly authorityId: string;
  readonly serial: string;
  readonly expiresAt: EpochSeconds;
}

export interface RenewableCertificateReader {
  get(hash: string): Promise<RenewableCertificate | undefined>;
  /** Those of one token, oldest first. */
  ofToken(tokenHash: string): Promise<readonly RenewableCertificate[]>;
  count(): Promise<number>;
}

export interface RenewableCertificateWriter extends RenewableCertificateReader {
  /** @throws exists */
  create(certificate: RenewableCertificate): Promise<void>;
  /** @returns false when there was none */
  delete(hash: string): Promise<boolean>;
  /** Deletes those with expiresAt < now. @returns how many */
  prune(now: EpochSeconds): Promise<number>;
}
