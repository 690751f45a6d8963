import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { Datastore, EntryRecord } from "../datastore/contract.ts";
import { MAX_TOKENS, isOnceEntry } from "./one-time-tokens.ts";

export interface RenewableCertificatesOptions {
  readonly datastore: Datastore;
  readonly isRevoked: (authorityId: string, serial: string) => boolean;
  readonly clock: Clock;
}

/**
 * Certificates without a SPIFFE ID that were given for one-time tokens: such a one stands for its entry, as the token did,
 * until it ends. Whoever shows it has to have proved that it has the key.
 */
export class RenewableCertificates {
  readonly #options: RenewableCertificatesOptions;

  constructor(options: RenewableCertificatesOptions) {
    this.#options = options;
  }

  /** Where too many are kept, it is not: then another token is needed in time. */
  async remember(der: Uint8Array, entryId: string, expiresAt: EpochSeconds): Promise<void> {
    const { datastore, clock } = this.#options;
    await datastore.transaction(async ({ oneTimeTokens }) => {
      if ((await oneTimeTokens.count()) >= MAX_WITH_CERTIFICATES) {
        await oneTimeTokens.prune(epochSeconds(clock));
        if ((await oneTimeTokens.count()) >= MAX_WITH_CERTIFICATES) return;
      }
      await oneTimeTokens.create({ hash: nameOf(der), entryId, expiresAt });
    });
  }

  /** @throws denied when it is none of them, has ended or was revoked, or its entry is gone */
  async entryOf(der: Uint8Array): Promise<EntryRecord> {
    const { datastore, isRevoked, clock } = this.#options;
    const now = epochSeconds(clock);
    const found = await datastore.oneTimeTokens.get(nameOf(der));
    if (found === undefined || found.expiresAt <= now) {
      throw fail("denied", "the certificate was not given for a one-time token, or has ended");
    }
    const { authorityKeyId = "", serial } = parseCertificate(der);
    if (isRevoked(authorityKeyId, serial)) throw fail("denied", "the certificate was revoked");
    const entry = await datastore.entries.get(found.entryId);
    if (entry !== undefined && isOnceEntry(entry, now)) return entry;
    throw fail("denied", "the certificate's entry has ended, or agents serve it now");
  }
}

/** Half of all places: whoever renews again and again must not keep others from making tokens. */
const MAX_WITH_CERTIFICATES = MAX_TOKENS / 2;

/** Beside the hashes of tokens, none of which looks like this: no word that anybody sends is taken for a certificate. */
function nameOf(der: Uint8Array): string {
  return `certificate ${toHex(createHash("sha256").update(der).digest())}`;
}
