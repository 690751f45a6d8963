import type { Datastore, EntryRecord } from "../datastore/contract.ts";
import {
  MAX_JOIN_TOKEN_LENGTH,
  joinTokenAgentPath,
  joinTokenHash,
} from "../../attestors/node/join-token/payload.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type Random, uuid } from "../../base/random.ts";
import { SpiffeId, isReservedPath } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { EMPTY_ENTRY } from "../entries/draft.ts";
import { EntryIds } from "../entries/entry-id.ts";
import { fail } from "../../base/errors.ts";

export interface JoinTokensOptions {
  readonly datastore: Datastore;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
}

export interface CreateJoinTokenParams {
  readonly ttlSeconds: number;
  /** Made here when absent. */
  readonly token?: string;
  /** A workload ID that the admitted agent may be addressed by: an entry with it is created along with the token. */
  readonly agentId?: SpiffeId;
}

export interface JoinToken {
  readonly token: string;
  readonly expiresAt: EpochSeconds;
  /** The ID of the agent that the token will admit. */
  readonly spiffeId: SpiffeId;
}

/** Join tokens: made once, stored as a hash, spent by the transaction that admits their node. */
export class JoinTokens {
  readonly #options: JoinTokensOptions;
  readonly #entryIds: EntryIds;

  constructor(options: JoinTokensOptions) {
    this.#options = options;
    this.#entryIds = new EntryIds(options.clock, options.random);
  }

  /** @throws invalid, exists (token in use or used up) */
  async create(params: CreateJoinTokenParams): Promise<JoinToken> {
    const { datastore, trustDomain, clock, random } = this.#options;
    checkTtl(params.ttlSeconds);
    if (params.agentId !== undefined) checkAlias(params.agentId, trustDomain);
    const token = params.token ?? uuid(random);
    checkToken(token);
    const now = epochSeconds(clock);
    const expiresAt = now + params.ttlSeconds;
    const hash = joinTokenHash(token);
    const spiffeId = SpiffeId.of(trustDomain, joinTokenAgentPath(hash));
    await datastore.transaction(async (writers) => {
      if ((await writers.nodes.get(spiffeId.toString())) !== undefined) {
        throw fail("exists", "join token was used before; choose another");
      }
      await writers.tokens.create({ hash, expiresAt, createdAt: now });
      if (params.agentId !== undefined) {
        await writers.entries.create(
          aliasEntry(this.#entryIds.next(), params.agentId, spiffeId, now),
        );
      }
    });
    return { token, expiresAt, spiffeId };
  }
}

function checkTtl(ttlSeconds: number): void {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) {
    throw fail("invalid", `ttl is required: 1 to ${MAX_TTL_SECONDS} seconds`);
  }
}

function checkAlias(agentId: SpiffeId, trustDomain: TrustDomain): void {
  if (!agentId.memberOf(trustDomain)) {
    throw fail("invalid", `agent_id is not a member of trust domain '${trustDomain.name}'`);
  }
  if (agentId.path === "") throw fail("invalid", "agent_id has no path");
  if (isReservedPath(agentId.path)) {
    throw fail("invalid", "agent_id is in the reserved namespace /spire");
  }
}

/** A token's hash can be read in listings, so the token has to be too long to be found by trying. */
function checkToken(token: string): void {
  if (token.length < MIN_TOKEN_LENGTH || token.length > MAX_JOIN_TOKEN_LENGTH) {
    throw fail(
      "invalid",
      `token must be ${MIN_TOKEN_LENGTH} to ${MAX_JOIN_TOKEN_LENGTH} characters; leave it empty to have one made`,
    );
  }
  if (!TOKEN.test(token)) {
    throw fail(
      "invalid",
      "token characters are limited to letters, numbers, dots, dashes, and underscores",
    );
  }
}

/** The shape is known to `deleteTokenAliases`: the entry goes with its agent, or with a token that nobody used. */
function aliasEntry(
  id: string,
  alias: SpiffeId,
  agentId: SpiffeId,
  createdAt: EpochSeconds,
): EntryRecord {
  return {
    ...EMPTY_ENTRY,
    id,
    spiffeId: alias.toString(),
    parentId: agentId.toString(),
    selectors: [{ type: "spiffe_id", value: agentId.toString() }],
    createdAt,
  };
}

const MIN_TOKEN_LENGTH = 16;
const MAX_TTL_SECONDS = 365 * 24 * 3600;
const TOKEN = /^[A-Za-z0-9._-]+$/;
