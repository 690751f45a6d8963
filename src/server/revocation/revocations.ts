/** Which X.509-SVIDs were revoked, and the revocation list of each authority that says so. */
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { Logger } from "../../observe/logger.ts";
import {
  REVOCATION_REASONS,
  type RevocationReason,
  type RevokedCertificate,
  parseCrl,
} from "../../x509/crl.ts";
import type { CrlRecord, Datastore, RevocationRecord } from "../datastore/contract.ts";
import { readChanges } from "../datastore/read-changes.ts";
import type { CrlIssuance } from "../issuance/crl.ts";

export interface RevocationsOptions {
  readonly datastore: Datastore;
  /** Absent: the operator has not turned revocation on. What was revoked before stays so; no lists are signed. */
  readonly issuance?: CrlIssuance;
  /** From a list's making to its next update, seconds. */
  readonly crlTtlSeconds: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** An authority's list as it is handed out. */
export interface IssuedCrl {
  readonly authorityId: string;
  readonly number: number;
  readonly nextUpdate: EpochSeconds;
  readonly der: Uint8Array;
  readonly revoked: readonly RevokedCertificate[];
}

/** An X.509-SVID that is to be revoked. */
export interface RevocationTarget {
  readonly authorityId: string;
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  /** Empty = unknown. */
  readonly spiffeId: string;
  readonly expiresAt: EpochSeconds;
}

export class Revocations implements AsyncDisposable {
  readonly #options: RevocationsOptions;
  readonly #work = new Serial();
  readonly #listeners = new Set<() => void>();
  #records: readonly RevocationRecord[] = [];
  #names: ReadonlySet<string> = new Set();
  #crls: readonly IssuedCrl[] = [];
  #revision = 0;
  #unsubscribe: () => void = () => undefined;
  #loop: Loop | undefined;
  #failing = false;
  /** A look at the feed is waiting its turn; commits until then are seen by it. */
  #isFollowing = false;

  private constructor(options: RevocationsOptions) {
    this.#options = options;
  }

  /** Loads what there is and signs the lists that are due; one that cannot be signed is tried again later. */
  static async open(options: RevocationsOptions): Promise<Revocations> {
    const revocations = new Revocations(options);
    await revocations.#reload();
    if (options.issuance !== undefined) await revocations.#signDue().catch(() => undefined);
    const { datastore, logger } = options;
    revocations.#unsubscribe = datastore.onCommit((revision) => {
      if (revision <= revocations.#revision || revocations.#isFollowing) return;
      revocations.#isFollowing = true;
      revocations.#work
        .run(() => {
          revocations.#isFollowing = false;
          return revocations.#follow();
        })
        .catch((error: unknown) => logger.error("revocations were not reloaded", { error }));
    });
    return revocations;
  }

  /** Signs lists by the clock from now on, and when it is woken. */
  start(): void {
    const { issuance, clock, random, logger } = this.#options;
    if (issuance === undefined) return;
    this.#loop ??= new Loop({
      name: "revocation lists",
      clock,
      random,
      round: async () => {
        await this.#work.run(() => this.#signDue());
        return ROUND_MS;
      },
      backoff: { maxMs: ROUND_MS },
      onError: (error, retryMs) =>
        logger.warn("a revocation list was not signed; the one before is served", {
          error,
          retryMs,
        }),
    });
  }

  /** An authority may have come or gone. */
  wake(): void {
    this.#loop?.wake();
  }

  /** Whether the operator turned revocation on. */
  get enabled(): boolean {
    return this.#options.issuance !== undefined;
  }

  /** Whether some list could not be signed at the last try. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Oldest first; they stay until some time after their end. */
  get records(): readonly RevocationRecord[] {
    return this.#records;
  }

  /** One for each authority that can sign one; none while revocation is off. The same array until something changes. */
  get crls(): readonly IssuedCrl[] {
    return this.#crls;
  }

  /** @param serial lower hex, no leading zeros */
  isRevoked(authorityId: string, serial: string): boolean {
    return this.#names.size > 0 && this.#names.has(nameOf(authorityId, serial));
  }

  /** Called after each change of `records` or `crls`. @returns how to stop */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Revokes them, durably, and signs the lists that name them.
   * @returns those that were not revoked before, and whether lists name them all; if not, that is tried again
   * @throws precondition while revocation is off; limited when there are too many
   */
  revoke(
    targets: readonly RevocationTarget[],
    reason: RevocationReason,
  ): Promise<{ readonly revoked: readonly RevocationRecord[]; readonly published: boolean }> {
    return this.#work.run(async () => {
      const { clock, logger } = this.#options;
      if (!this.enabled) {
        throw fail("precondition", "revocation is off; set 'revocation' in the server's file");
      }
      const fresh = this.#unrevoked(targets);
      const revokedAt = epochSeconds(clock);
      const revoked = await this.#store(fresh.map((target) => ({ ...target, reason, revokedAt })));
      await this.#reload();
      for (const { authorityId, serial, spiffeId } of revoked) {
        logger.info("X.509-SVID revoked", { authorityId, serial, spiffeId, reason });
      }
      return { revoked, published: await this.#publish(revoked) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    await this.#loop?.[Symbol.asyncDispose]();
    await this.#work.idle();
    this.#listeners.clear();
  }

  /** @throws limited */
  #unrevoked(targets: readonly RevocationTarget[]): readonly RevocationTarget[] {
    const fresh = targets.filter(({ authorityId, serial }) => !this.isRevoked(authorityId, serial));
    if (this.#records.length + fresh.length > MAX_REVOCATIONS) {
      throw fail(
        "limited",
        `more than ${MAX_REVOCATIONS} SVIDs would be revoked at once; rotate the authority and taint the old one instead`,
      );
    }
    return fresh;
  }

  /** Those that another server has not stored meanwhile. */
  #store(records: readonly RevocationRecord[]): Promise<readonly RevocationRecord[]> {
    return this.#options.datastore.transaction(async ({ revocations }) => {
      const made: RevocationRecord[] = [];
      for (const record of records) if (await revocations.create(record)) made.push(record);
      return made;
    });
  }

  /** Whether lists name them all; where none can be signed, that is tried again. */
  async #publish(revoked: readonly RevocationRecord[]): Promise<boolean> {
    const { logger } = this.#options;
    try {
      await this.#signDue();
    } catch (error) {
      logger.error("the revocation list was not signed yet; it is tried again", {
        error: errorFrom(error),
      });
      this.wake();
      return false;
    }
    const unlisted = revoked.filter((record) => !this.#isListed(record));
    for (const { authorityId, serial } of unlisted) {
      logger.warn("revoked, but in no list: its authority has no key here any more", {
        authorityId,
        serial,
      });
    }
    return unlisted.length === 0;
  }

  #isListed({ authorityId, serial }: RevocationRecord): boolean {
    const crl = this.#crls.find((each) => each.authorityId === authorityId);
    return crl?.revoked.some((each) => each.serial === serial) === true;
  }

  /** Takes over what another server, or this one, has written. */
  async #follow(): Promise<void> {
    let isTouched = false;
    const { changes } = this.#options.datastore;
    const isMissed = await readChanges(changes, this.#revision, (rows, revision) => {
      isTouched ||= rows.some(({ subject }) => subject === "revocation");
      if (!isTouched) this.#revision = revision;
    });
    if (isMissed || isTouched) await this.#reload();
  }

  async #reload(): Promise<void> {
    const { datastore, issuance, logger } = this.#options;
    // Before reading: what is written meanwhile comes again through the feed.
    const revision = await datastore.changes.current();
    const records = await datastore.revocations.list();
    const crls = issuance === undefined ? [] : await datastore.revocations.crls();
    // Not before it was read: what failed is read with the next commit.
    this.#revision = revision;
    const isSame = sameRecords(this.#records, records) && sameCrls(this.#crls, crls);
    if (isSame) return;
    const before = new Map(this.#crls.map((crl) => [`${crl.authorityId} ${crl.number}`, crl]));
    this.#records = records;
    this.#names = new Set(records.map(({ authorityId, serial }) => nameOf(authorityId, serial)));
    this.#crls = crls.flatMap((crl) => {
      const known = before.get(`${crl.authorityId} ${crl.number}`);
      if (known !== undefined) return [known];
      try {
        return [issuedCrl(crl)];
      } catch (error) {
        // Signed anew, with the next number, as if there were none.
        logger.error("stored revocation list cannot be read", { ...crl, error });
        return [];
      }
    });
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        logger.error("listener of revocations failed", { error });
      }
    }
  }

  /** Signs every list that is due, one authority's failure not being the others'. @throws the first failure */
  async #signDue(): Promise<void> {
    const { datastore, issuance, clock, crlTtlSeconds } = this.#options;
    if (issuance === undefined) return;
    const now = epochSeconds(clock);
    const ended = (record: RevocationRecord): boolean => record.expiresAt + crlTtlSeconds < now;
    const able = new Set(issuance.authorities().map(({ id }) => id));
    const gone = this.#crls.filter(
      ({ authorityId, nextUpdate }) => !able.has(authorityId) && nextUpdate <= now,
    );
    if (gone.length > 0 || this.#records.some(ended)) {
      await datastore.transaction(async (writers) => {
        for (const { authorityId } of gone) await writers.revocations.deleteCrl(authorityId);
        await writers.revocations.prune(now - crlTtlSeconds);
      });
    }
    const failures: AssayError[] = [];
    for (const authorityId of able) {
      const crl = this.#crls.find((each) => each.authorityId === authorityId);
      // RFC 5280 §3.3: an entry is in one list made after the certificate's end.
      const wanted = this.#records.filter(
        (record) => record.authorityId === authorityId && !ended(record),
      );
      const isDue =
        crl === undefined ||
        crl.nextUpdate - now < crlTtlSeconds / 2 ||
        crl.nextUpdate - now > crlTtlSeconds ||
        !sameSerials(crl.revoked, wanted);
      if (!isDue) continue;
      try {
        await this.#sign(issuance, authorityId, wanted, now);
      } catch (error) {
        failures.push(errorFrom(error));
      }
    }
    this.#failing = failures.length > 0;
    await this.#reload();
    const [failure] = failures;
    if (failure !== undefined) throw failure;
  }

  async #sign(
    issuance: CrlIssuance,
    authorityId: string,
    wanted: readonly RevocationRecord[],
    now: EpochSeconds,
  ): Promise<void> {
    const { datastore, crlTtlSeconds } = this.#options;
    const before = (await datastore.revocations.crl(authorityId))?.number ?? 0;
    const nextUpdate = now + crlTtlSeconds;
    const number = before + 1;
    const der = await issuance.sign({
      authorityId,
      number,
      thisUpdate: now - BACKDATE_SECONDS,
      nextUpdate,
      revoked: wanted.map(({ serial, revokedAt, reason }) => ({
        serial,
        revokedAt,
        reason: reasonOf(reason),
      })),
    });
    const record = { authorityId, number, nextUpdate, der: Buffer.from(der).toString("base64") };
    await datastore.transaction(async (writers) => {
      const present = (await writers.revocations.crl(authorityId))?.number ?? 0;
      // Another server was first: its list may lack what this one has.
      if (present !== before) throw fail("conflict", "the revocation list was signed elsewhere");
      await writers.revocations.putCrl(record);
    });
  }
}

function issuedCrl({ authorityId, number, nextUpdate, der }: CrlRecord): IssuedCrl {
  const bytes = new Uint8Array(Buffer.from(der, "base64"));
  return { authorityId, number, nextUpdate, der: bytes, revoked: parseCrl(bytes).revoked };
}

function reasonOf(text: string): RevocationReason {
  const reasons = Object.keys(REVOCATION_REASONS) as RevocationReason[];
  return reasons.find((reason) => reason === text) ?? "unspecified";
}

function nameOf(authorityId: string, serial: string): string {
  return `${authorityId} ${serial}`;
}

function sameSerials(
  a: readonly { readonly serial: string }[],
  b: readonly { readonly serial: string }[],
): boolean {
  const serials = new Set(a.map(({ serial }) => serial));
  return serials.size === b.length && b.every(({ serial }) => serials.has(serial));
}

function sameRecords(a: readonly RevocationRecord[], b: readonly RevocationRecord[]): boolean {
  return a.length === b.length && JSON.stringify(a) === JSON.stringify(b);
}

function sameCrls(a: readonly IssuedCrl[], b: readonly CrlRecord[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ authorityId, number }, i) => {
      const other = b[i];
      return other?.authorityId === authorityId && other.number === number;
    })
  );
}

/**
 * Some 50 bytes each, in every list that every workload holds: 250 KB, of which four may wait for a slow connection
 * (rpc/grpc/limits.ts, MAX_HELD_BYTES), and 0.1 s of the main thread for each list that is signed anew.
 */
const MAX_REVOCATIONS = 5000;
/** Verifiers' clocks differ. */
const BACKDATE_SECONDS = 10;
const ROUND_MS = 10_000;
