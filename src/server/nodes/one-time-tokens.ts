import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { formatSelector } from "../../spiffe/selector.ts";
import type { Datastore, EntryRecord } from "../datastore/contract.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import { bindToken, checkBinding } from "./bound-tokens.ts";

export interface OneTimeTokensOptions {
  readonly datastore: Datastore;
  readonly entries: Pick<AuthorizedEntries, "find" | "refresh">;
  readonly clock: Clock;
  readonly random: Random;
}

export interface OneTimeToken {
  readonly token: string;
  readonly entry: EntryRecord;
  readonly expiresAt: EpochSeconds;
}

/** Tokens for one entry each: made for whoever administers it, stored as a hash, spent once through an agent. */
export class OneTimeTokens {
  readonly #options: OneTimeTokensOptions;

  constructor(options: OneTimeTokensOptions) {
    this.#options = options;
  }

  /** @throws invalid; not_found; precondition when the entry asks for no such token; limited */
  async create(entryId: string, ttlSeconds: number): Promise<OneTimeToken> {
    const { datastore, clock, random } = this.#options;
    if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) {
      throw fail("invalid", `ttl is required: 1 to ${MAX_TTL_SECONDS} seconds`);
    }
    const token = `once-${Buffer.from(random.bytes(32)).toString("base64url")}`;
    const now = epochSeconds(clock);
    const expiresAt = now + ttlSeconds;
    const entry = await datastore.transaction(async ({ entries, oneTimeTokens }) => {
      const found = await entries.get(entryId);
      if (found === undefined) throw fail("not_found", `there is no entry ${entryId}`);
      const wanted = `token:once:entry:${entryId}`;
      if (!found.selectors.some((selector) => formatSelector(selector) === wanted)) {
        throw fail(
          "precondition",
          `entry ${entryId} asks for no one-time token; give it the selector ${wanted}`,
        );
      }
      if ((await oneTimeTokens.count()) >= MAX_TOKENS) await oneTimeTokens.prune(now);
      if ((await oneTimeTokens.count()) >= MAX_TOKENS) {
        throw fail("limited", `more than ${MAX_TOKENS} one-time tokens wait to be spent`);
      }
      await oneTimeTokens.create({ hash: oneTimeTokenHash(token), entryId, expiresAt });
      return found;
    });
    return { token, entry, expiresAt };
  }

  /**
   * Spends a token for an agent: from then on it counts for nobody.
   * @returns the entry's id
   * @throws denied when it is unknown, spent or expired, or its entry is not the agent's
   */
  async spend(agentId: string, token: string): Promise<string> {
    const { datastore, entries, clock } = this.#options;
    await entries.refresh();
    const hash = oneTimeTokenHash(token);
    return datastore.transaction(async ({ oneTimeTokens }) => {
      const found = await oneTimeTokens.get(hash);
      if (found === undefined || found.expiresAt <= epochSeconds(clock)) {
        throw fail("denied", "one-time token is unknown, was spent or has expired");
      }
      if (entries.find(agentId, found.entryId) === undefined) {
        throw fail("denied", "one-time token is for an entry that is not this agent's");
      }
      await oneTimeTokens.delete(hash);
      return found.entryId;
    });
  }

  /**
   * Looks at a token that its holder brings to the server itself: its entry has to be below `ONCE_PARENT`, so that a
   * token never stands for an entry of which an agent is to prove more.
   * @returns the entry, the token's hash, and what spends the token for a key: whoever has that key may ask again with it
   * until it expires
   * @throws denied when it is unknown, spent or expired, or its entry is another's
   */
  async redeem(
    token: string,
    publicKey: Uint8Array,
  ): Promise<{
    readonly entry: EntryRecord;
    readonly tokenHash: string;
    readonly spend: () => Promise<void>;
  }> {
    const { datastore, clock } = this.#options;
    const hash = oneTimeTokenHash(token);
    const keyHash = toHex(createHash("sha256").update(publicKey).digest());
    const look = async (readers: Pick<Datastore, "oneTimeTokens" | "entries">) => {
      const found = await readers.oneTimeTokens.get(hash);
      if (found === undefined || found.expiresAt <= epochSeconds(clock)) {
        throw fail("denied", "one-time token is unknown, was spent or has expired");
      }
      const entry = await readers.entries.get(found.entryId);
      if (entry === undefined || !isOnceEntry(entry, epochSeconds(clock))) {
        throw fail("denied", "one-time token is for an entry that agents serve, or that has ended");
      }
      return { entry, binding: { fingerprint: hash, until: found.expiresAt } };
    };
    const { entry, binding } = await look(datastore);
    await checkBinding(datastore.boundTokens, binding, keyHash);
    const spend = (): Promise<void> =>
      datastore.transaction(async (writers) => {
        await look(writers);
        await bindToken(writers.boundTokens, binding, keyHash);
      });
    return { entry, tokenHash: hash, spend };
  }
}

/** The path of the parent of entries whose one-time tokens count without an agent. No agent and no entry can have it. */
const ONCE_PARENT = "/spire/once";

/** Whether one-time tokens for it count without an agent. */
export function isOnceEntry(
  { id, parentId, selectors, expiresAt, template }: EntryRecord,
  now: number,
) {
  const [selector, ...others] = selectors;
  return (
    new URL(parentId).pathname === ONCE_PARENT &&
    others.length === 0 &&
    selector !== undefined &&
    formatSelector(selector) === `token:once:entry:${id}` &&
    (expiresAt === 0 || expiresAt > now) &&
    template === undefined
  );
}

/** SHA-256, lower-case hex. */
export function oneTimeTokenHash(token: string): string {
  return toHex(createHash("sha256").update(token).digest());
}

const MAX_TTL_SECONDS = 7 * 24 * 3600;
const MAX_TOKENS = 100_000;
