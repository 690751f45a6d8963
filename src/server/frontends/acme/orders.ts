/** Orders (RFC 8555 §7.4) up to their finalization. */
import { toBase64Url } from "../../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import type {
  AcmeAccountRecord,
  AcmeAuthorizationRecord,
  AcmeIdentifierRecord,
  AcmeOrderRecord,
  AcmeReader,
  AcmeWriter,
} from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { AcmeAnswer } from "./answers.ts";
import { type PolicyIdentifier, CHALLENGE_TYPES, type NamePolicy } from "./contract.ts";
import { parseIdentifiers, withoutWildcard } from "./identifiers.ts";
import { type RateLimits, requireWithin } from "./limits.ts";
import { acmeError, refusedNames } from "./problem.ts";
import type { Profiles } from "./profiles.ts";
import { type AccountRequest, payloadOf, requireEmpty } from "./request.ts";
import { type OrderState, orderResource, orderState } from "./resources.ts";
import { markReplaced, replacedCertificate } from "./replaces.ts";
import type { AcmeUrls } from "./urls.ts";

export interface OrdersOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly profiles: Profiles;
  readonly policy: NamePolicy;
  readonly limits: Pick<RateLimits, "order" | "mayValidate">;
  readonly urls: AcmeUrls;
  /** `orderTtlSeconds`: how long an order may take, and an authorization may be pending. */
  readonly settings: () => Pick<AcmeFrontEndConfig, "orderTtlSeconds">;
  readonly clock: Clock;
  readonly random: Random;
}

/** An order with what its state follows from. */
export interface KnownOrder {
  readonly order: AcmeOrderRecord;
  readonly authorizations: readonly AcmeAuthorizationRecord[];
  readonly state: OrderState;
}

export class Orders {
  readonly #options: OrdersOptions;

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  /** @throws AcmeError */
  async create(request: AccountRequest): Promise<AcmeAnswer> {
    const { store, profiles, policy, urls, random, settings } = this.#options;
    const { orderTtlSeconds } = settings();
    const { account } = request;
    const payload = payloadOf(request);
    const identifiers = parseIdentifiers(payload["identifiers"]);
    const names = identifiers.map(withoutWildcard);
    const profile = await profiles.choose(payload["profile"], account);
    const now = epochSeconds(this.#options.clock);
    const span = spanOf(payload, now);
    const refused = await policy.check({
      account: policyAccount(account),
      identifiers: names,
      profile,
    });
    if (refused.length > 0) throw refusedIdentifiers(refused);
    const ttlSeconds = askedLife(span, now);
    await profiles.allow({ account, profile, identifiers, ttlSeconds });
    const replaces = await replacedCertificate({
      value: payload["replaces"],
      account,
      identifiers,
      store: store.acme,
      now,
    });
    await this.#requireWithin(account, identifiers, names);
    const id = toBase64Url(random.bytes(ID_BYTES));
    const made = await store.transaction(async ({ acme }) => {
      await use(acme, account.id, now);
      const authorizations: AcmeAuthorizationRecord[] = [];
      let pending = await acme.countPending(account.id, now);
      for (const name of names) {
        const { authorization, isNew } = await this.#authorization(acme, account, name, now);
        authorizations.push(authorization);
        if (!isNew) continue;
        pending += 1;
        if (pending <= MAX_PENDING) continue;
        throw acmeError(
          "rateLimited",
          `more than ${MAX_PENDING} authorizations of the account would be pending; meet or deactivate some`,
          { headers: { "retry-after": String(PENDING_RETRY) } },
        );
      }
      const order: AcmeOrderRecord = {
        id,
        accountId: account.id,
        status: "open",
        identifiers,
        authorizations: authorizations.map((each) => each.id),
        profile,
        ...span,
        expiresAt: now + orderTtlSeconds,
        createdAt: now,
        error: "",
        certificateId: "",
        replaces: replaces?.name ?? "",
        csr: "",
        signing: "",
      };
      await acme.createOrder(order);
      if (replaces !== undefined) await markReplaced(acme, replaces, id, now);
      return { order, authorizations, state: orderState(order, authorizations, now) };
    });
    return { ...shownOrder(made, urls), status: 201 };
  }

  /** @throws AcmeError */
  async show(request: AccountRequest, id: string): Promise<AcmeAnswer> {
    requireEmpty(request);
    return shownOrder(await this.require(request.account, id), this.#options.urls);
  }

  /** @throws AcmeError when there is none, or it is another account's */
  async require(account: AcmeAccountRecord, id: string): Promise<KnownOrder> {
    const { store, clock } = this.#options;
    const order = await store.acme.order(id);
    if (order === undefined) {
      throw acmeError("malformed", "there is no such order", { status: 404 });
    }
    if (order.accountId !== account.id) {
      throw acmeError("unauthorized", "the order is another account's");
    }
    const authorizations = await authorizationsOf(store.acme, order);
    return { order, authorizations, state: orderState(order, authorizations, epochSeconds(clock)) };
  }

  async #requireWithin(
    account: AcmeAccountRecord,
    identifiers: readonly AcmeIdentifierRecord[],
    names: readonly PolicyIdentifier[],
  ): Promise<void> {
    const { limits, urls } = this.#options;
    for (const name of names) requireWithin(await limits.mayValidate(account.id, name), urls);
    requireWithin(await limits.order(account.id, identifiers), urls);
  }

  /** One that can still be used, so that what was shown once need not be shown again at once; else a new one. */
  async #authorization(
    acme: AcmeWriter,
    account: AcmeAccountRecord,
    { type, value, wildcard }: PolicyIdentifier,
    now: EpochSeconds,
  ): Promise<{ readonly authorization: AcmeAuthorizationRecord; readonly isNew: boolean }> {
    const { random, settings } = this.#options;
    const which = { accountId: account.id, type, value, wildcard };
    const known = await acme.findAuthorization({ ...which, lastsUntil: now + LEAST_LEFT });
    if (known !== undefined) return { authorization: known, isNew: false };
    const token = (): string => toBase64Url(random.bytes(TOKEN_BYTES));
    const authorization: AcmeAuthorizationRecord = {
      id: toBase64Url(random.bytes(ID_BYTES)),
      ...which,
      status: "pending",
      expiresAt: now + settings().orderTtlSeconds,
      createdAt: now,
      challenges: challengeTypes({ type, wildcard }).map((each) => ({
        type: each,
        token: token(),
        status: "pending",
        validatedAt: 0,
        error: "",
      })),
    };
    await acme.createAuthorization(authorization);
    return { authorization, isNew: true };
  }
}

/** An order as it is answered: its own URL is always named, for some clients look for it there. */
export function shownOrder({ order, state }: KnownOrder, urls: AcmeUrls): AcmeAnswer {
  return {
    status: 200,
    body: orderResource(order, state, urls),
    location: urls.order(order.id),
    ...(state.status === "pending" ? { retryAfterSeconds: 1 } : {}),
    ...(state.status === "processing" ? { retryAfterSeconds: PROCESSING_RETRY } : {}),
  };
}

/** @returns seconds from when the certificate begins; 0 = the profile's */
export function askedLife(
  { notBefore, notAfter }: Pick<AcmeOrderRecord, "notBefore" | "notAfter">,
  now: EpochSeconds,
): number {
  return notAfter === 0 ? 0 : notAfter - (notBefore === 0 ? now : notBefore);
}

export function policyAccount({ id, externalAccountId }: AcmeAccountRecord): {
  readonly id: string;
  readonly externalAccountId?: string;
} {
  return { id, ...(externalAccountId === "" ? {} : { externalAccountId }) };
}

export function refusedIdentifiers(
  refused: Awaited<ReturnType<NamePolicy["check"]>>,
): ReturnType<typeof refusedNames> {
  return refusedNames(
    refused.map(({ identifier: { type, value, wildcard }, problem }) => ({
      ...problem,
      identifier: { type, value: wildcard ? `*.${value}` : value },
    })),
  );
}

/** @throws AcmeError when the account was deactivated, or pruned, since the request was read */
async function use(acme: AcmeWriter, accountId: string, now: EpochSeconds): Promise<void> {
  const account = await acme.account(accountId);
  if (account?.status !== "valid") {
    throw acmeError("unauthorized", "the account was changed meanwhile", { status: 401 });
  }
  // Not with every order: it decides about accounts that were not used for days at least.
  if (account.usedAt + DAY <= now) await acme.updateAccount({ ...account, usedAt: now });
}

async function authorizationsOf(
  store: AcmeReader,
  order: AcmeOrderRecord,
): Promise<readonly AcmeAuthorizationRecord[]> {
  const found = await Promise.all(order.authorizations.map((id) => store.authorization(id)));
  return found.filter((each) => each !== undefined);
}

/** RFC 8555 §8.4: only DNS shows who has all names below; RFC 8738 §7: an address has no TXT records. */
function challengeTypes({
  type,
  wildcard,
}: Pick<PolicyIdentifier, "type" | "wildcard">): readonly (typeof CHALLENGE_TYPES)[number][] {
  if (wildcard) return ["dns-01"];
  return CHALLENGE_TYPES.filter((each) => type === "dns" || each !== "dns-01");
}

function spanOf(
  payload: Readonly<Record<string, unknown>>,
  now: EpochSeconds,
): { readonly notBefore: EpochSeconds; readonly notAfter: EpochSeconds } {
  const notBefore = timeOf(payload["notBefore"], "notBefore");
  const notAfter = timeOf(payload["notAfter"], "notAfter");
  if (notBefore > now + MAX_AHEAD || (notBefore !== 0 && notBefore < now - MAX_BEHIND)) {
    throw acmeError("malformed", "certificates begin when they are made; leave notBefore out");
  }
  if (notAfter !== 0 && notAfter <= Math.max(now, notBefore)) {
    throw acmeError("malformed", "notAfter is not in the future, or not after notBefore");
  }
  return { notBefore, notAfter };
}

/** RFC 3339; 0 for none, as clients say it that send a zero time for it. */
function timeOf(value: unknown, member: string): EpochSeconds {
  if (value === undefined || value === null || value === "") return 0;
  const text = typeof value === "string" ? value : "";
  const seconds = RFC_3339.test(text) ? Math.floor(Date.parse(text) / 1000) : Number.NaN;
  if (Number.isNaN(seconds)) {
    throw acmeError("malformed", `${member} is not a time as RFC 3339 has it`);
  }
  return Math.max(0, seconds);
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
const DAY = 24 * 3600;
const ID_BYTES = 15;
/** RFC 8555 §8.1 wants 128 bits at least. */
const TOKEN_BYTES = 24;
/** An authorization that ends sooner is of no use to a new order. */
const LEAST_LEFT = 3600;
/** Of clocks that differ. */
const MAX_AHEAD = 300;
const MAX_BEHIND = 3600;
/** Pending authorizations of one account. */
const MAX_PENDING = 300;
const PENDING_RETRY = 60;
const PROCESSING_RETRY = 3;
