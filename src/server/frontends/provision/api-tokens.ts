/** Tokens of provisioners: programs that authorize over HTTP, without an SVID. */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import type { Random } from "../../../base/random.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { ProvisionApiToken } from "../../datastore/provision.ts";
import { checkAllowedName } from "./grant-request.ts";
import { secretHash } from "./secret-hash.ts";

export interface ApiTokensOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when authorizations were deleted with their token. */
  readonly onDeleted: () => void;
}

export interface ApiTokenRequest {
  readonly name: string;
  readonly ttlSeconds: number;
  readonly allowNames: readonly string[];
  readonly allowEntries: boolean;
}

export class ApiTokens {
  readonly #options: ApiTokensOptions;
  /** Those that were verified, by hash. */
  readonly #known = new LruMap<string, ProvisionApiToken>(MAX_KNOWN);
  /** Goes up when one is deleted: what was read before that is not remembered. */
  #deletions = 0;

  constructor(options: ApiTokensOptions) {
    this.#options = options;
  }

  /** @throws invalid; exists; limited */
  async create(
    request: ApiTokenRequest,
  ): Promise<{ readonly token: string; readonly record: ProvisionApiToken }> {
    const { datastore, clock, random } = this.#options;
    const { name, ttlSeconds, allowNames, allowEntries } = request;
    if (!NAME.test(name)) {
      throw fail("invalid", "name: is not 1 to 63 letters, digits, dots, underscores and dashes");
    }
    if (ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) {
      throw fail("invalid", `ttl is required: 1 to ${MAX_TTL_SECONDS} seconds`);
    }
    if (allowNames.length > MAX_NAMES) {
      throw fail("invalid", `allow_names: there are more than ${MAX_NAMES}`);
    }
    for (const allowed of allowNames) checkAllowedName(allowed);
    const token = `papi-${Buffer.from(random.bytes(32)).toString("base64url")}`;
    const createdAt = epochSeconds(clock);
    const record: ProvisionApiToken = {
      hash: secretHash(token),
      name,
      allowNames,
      allowEntries,
      createdAt,
      expiresAt: createdAt + ttlSeconds,
    };
    await datastore.transaction(async ({ provisionApiTokens }) => {
      await provisionApiTokens.prune(createdAt);
      if ((await provisionApiTokens.list()).length >= MAX_TOKENS) {
        throw fail("limited", `there are ${MAX_TOKENS} api tokens; delete some`);
      }
      await provisionApiTokens.create(record);
    });
    return { token, record };
  }

  list(): Promise<readonly ProvisionApiToken[]> {
    return this.#options.datastore.provisionApiTokens.list();
  }

  /**
   * With the authorizations that it made and nobody has used: what was used goes on, so that a token can be changed.
   * @returns how many of these. @throws not_found
   */
  async delete(name: string): Promise<number> {
    const { datastore, onDeleted } = this.#options;
    const count = await datastore.transaction(async ({ provisionApiTokens, provisionGrants }) => {
      if (await provisionApiTokens.delete(name)) {
        return provisionGrants.deleteUnused(apiTokenLabel(name));
      }
      throw fail("not_found", `there is no api token '${name.slice(0, 63)}'`);
    });
    this.#deletions += 1;
    this.#known.clear();
    onDeleted();
    return count;
  }

  /** @throws unauthenticated when it is none, or has ended */
  async verify(token: string): Promise<ProvisionApiToken> {
    const { datastore, clock } = this.#options;
    const hash = secretHash(token);
    const deletions = this.#deletions;
    const known = this.#known.get(hash);
    const found = known ?? (await datastore.provisionApiTokens.get(hash));
    if (found !== undefined && found.expiresAt > epochSeconds(clock)) {
      if (known === undefined && deletions === this.#deletions) this.#known.set(hash, found);
      return found;
    }
    throw fail("unauthenticated", "the api token is unknown or has expired");
  }
}

/** Who has authorized, where it was a token of this name. */
export function apiTokenLabel(name: string): string {
  return `token ${name}`;
}

export function isApiTokenLabel(label: string): boolean {
  return label.startsWith(apiTokenLabel(""));
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const MAX_TTL_SECONDS = 366 * 24 * 3600;
const MAX_TOKENS = 1000;
const MAX_KNOWN = 256;
const MAX_NAMES = 64;
