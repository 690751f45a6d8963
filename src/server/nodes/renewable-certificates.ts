import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { Datastore, EntryRecord } from "../datastore/contract.ts";
import { isOnceEntry } from "./one-time-tokens.ts";

export interface RenewableCertificatesOptions {
  readonly datastore: Pick<Datastore, "renewableCertificates" | "entries" | "transaction">;
  readonly isRevoked: (authorityId: string, serial: string) => boolean;
  readonly clock: Clock;
  /** Certificates that are kept before no further token gets one; `RENEWABLE_PLACES` when absent. */
  readonly places?: number;
}

/** What a certificate is given for. */
export interface Renews {
  readonly entryId: string;
  readonly tokenHash: string;
  /** Hash of the certificate that was shown; absent: it was the token itself. */
  readonly shown?: string;
}

/**
 * Certificates without a SPIFFE ID that were given for one-time tokens: such a one stands for its entry, as the token did,
 * until it ends. Whoever shows it has to have proved that it has the key. Of one token the newest few are kept and the one
 * that was shown last, so that lost answers cost nothing and whoever renews again and again takes nobody's place.
 */
export class RenewableCertificates {
  readonly #options: RenewableCertificatesOptions;

  constructor(options: RenewableCertificatesOptions) {
    this.#options = options;
  }

  /**
   * A renewal always has one.
   * @throws limited when too many are kept for yet another token
   */
  async requirePlace({ tokenHash }: Renews): Promise<void> {
    const { datastore, clock, places = RENEWABLE_PLACES } = this.#options;
    const { renewableCertificates: kept } = datastore;
    if ((await kept.count()) < places || (await kept.ofToken(tokenHash)).length > 0) return;
    const now = epochSeconds(clock);
    await datastore.transaction((writers) => writers.renewableCertificates.prune(now));
    if ((await kept.count()) < places) return;
    throw fail(
      "limited",
      `${places} certificates of one-time tokens can be renewed already, and no more are kept; the token still counts: try again when some have ended`,
    );
  }

  async remember(der: Uint8Array, { entryId, tokenHash, shown }: Renews): Promise<void> {
    const { authorityKeyId = "", serial, notAfter } = parseCertificate(der);
    await this.#options.datastore.transaction(async ({ renewableCertificates: kept }) => {
      await kept.create({
        hash: hashOf(der),
        tokenHash,
        entryId,
        authorityId: authorityKeyId,
        serial,
        expiresAt: notAfter,
      });
      const older = (await kept.ofToken(tokenHash)).slice(0, -KEPT_OF_TOKEN);
      for (const { hash } of older) if (hash !== shown) await kept.delete(hash);
    });
  }

  /**
   * @returns its entry, and what the certificate that is to follow it is given for
   * @throws denied when it is none of them or has ended, it or one that followed it was revoked, or its entry is gone
   */
  async find(
    der: Uint8Array,
  ): Promise<{ readonly entry: EntryRecord; readonly renews: Required<Renews> }> {
    const { datastore, isRevoked, clock } = this.#options;
    const now = epochSeconds(clock);
    const hash = hashOf(der);
    const found = await datastore.renewableCertificates.get(hash);
    if (found === undefined || found.expiresAt <= now) {
      throw fail(
        "denied",
        "the certificate was not given for a one-time token, has ended, or newer ones took its place; make a token",
      );
    }
    const { entryId, tokenHash } = found;
    const { authorityKeyId = "", serial } = parseCertificate(der);
    if (isRevoked(authorityKeyId, serial)) throw fail("denied", "the certificate was revoked");
    const all = await datastore.renewableCertificates.ofToken(tokenHash);
    const newer = all.slice(all.findIndex((each) => each.hash === hash) + 1);
    // Else whoever has an older key goes on where the operator wanted an end.
    if (newer.some((each) => isRevoked(each.authorityId, each.serial))) {
      throw fail("denied", "a certificate that followed this one was revoked");
    }
    const entry = await datastore.entries.get(entryId);
    if (entry !== undefined && isOnceEntry(entry, now)) {
      return { entry, renews: { entryId, tokenHash, shown: hash } };
    }
    throw fail("denied", "the certificate's entry has ended, or agents serve it now");
  }
}

/** Some 300 bytes each. Renewals add to them, at most four a token. */
export const RENEWABLE_PLACES = 100_000;
/** Newest ones. Three answers may be lost or overtake each other. */
const KEPT_OF_TOKEN = 3;

function hashOf(der: Uint8Array): string {
  return toHex(createHash("sha256").update(der).digest());
}
