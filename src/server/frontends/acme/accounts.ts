/** Accounts (RFC 8555 §7.3). */
import { addressKey } from "../../../base/address-key.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { isKind } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { toBase64Url } from "../../../base/bytes.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { AcmeAccountRecord } from "../../datastore/acme.ts";
import type { Datastore, Page } from "../../datastore/contract.ts";
import { type AcmeAnswer, link } from "./answers.ts";
import { checkContact } from "./contact.ts";
import type { ExternalAccounts } from "./contract.ts";
import { externalAccountOf } from "./external-binding.ts";
import { type RateLimits, requireWithin } from "./limits.ts";
import { acmeError } from "./problem.ts";
import type { JwtClaims } from "../../../jwt/jws-parts.ts";
import { type AccountRequest, type SignedRequest, payloadOf } from "./request.ts";
import { accountResource } from "./resources.ts";
import type { AcmeUrls } from "./urls.ts";

export interface AccountsOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly externalAccounts: ExternalAccounts;
  readonly limits: Pick<RateLimits, "account">;
  readonly urls: AcmeUrls;
  /** `termsOfService`: clients have to agree to them; absent: there are none. */
  readonly settings: () => Pick<AcmeFrontEndConfig, "termsOfService">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Accounts {
  readonly #options: AccountsOptions;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** §7.3, §7.3.1, §7.3.4. @throws AcmeError */
  async create(request: SignedRequest): Promise<AcmeAnswer> {
    const { store, urls } = this.#options;
    const payload = payloadOf(request);
    const known = await store.acme.accountByKey(request.key.thumbprint);
    if (known !== undefined) return this.#existing(known);
    if (payload["onlyReturnExisting"] === true) {
      throw acmeError("accountDoesNotExist", "there is no account with this key");
    }
    try {
      const account = await this.#create(request, payload);
      const { body, ...shown } = this.#shown(account);
      // §7.3.4: as it came.
      const { externalAccountBinding: binding } = payload;
      const isBound = account.externalAccountId !== "";
      return {
        ...shown,
        status: 201,
        body: { ...body, ...(isBound ? { externalAccountBinding: binding } : {}) },
        location: urls.account(account.id),
      };
    } catch (thrown) {
      // Asked twice at once: the other one made it, and may not be committed yet, as readers outside see it.
      const other = isKind(thrown, "exists")
        ? await store.transaction(({ acme }) => acme.accountByKey(request.key.thumbprint))
        : undefined;
      if (other === undefined) throw thrown;
      return this.#existing(other);
    }
  }

  /** §7.3.2, §7.3.6; POST-as-GET shows it. @throws AcmeError */
  async change(request: AccountRequest, id: string): Promise<AcmeAnswer> {
    const { account } = request;
    requireOwn(account, id);
    if (request.payload === "") return this.#shown(account);
    const { status, contact } = payloadOf(request);
    // §7.3.2: other changes of it are ignored; some clients send the whole account back.
    const isEnd = status === "deactivated";
    const change = {
      usedAt: epochSeconds(this.#options.clock),
      ...(isEnd ? { status: "deactivated" as const } : {}),
      ...(contact === undefined ? {} : { contact: checkContact(contact) }),
    };
    const next = await this.#options.store.transaction(async ({ acme }) => {
      // As it is now: another change may have been on its way.
      const changed = { ...((await acme.account(id)) ?? account), ...change };
      await acme.updateAccount(changed);
      return changed;
    });
    if (isEnd) {
      this.#options.logger.info("acme account deactivated", { account: account.id });
    }
    return this.#shown(next);
  }

  /** §7.1.2.1, a page at a time: an empty one only where very many orders have ended. @throws AcmeError */
  async orders(request: AccountRequest, id: string, cursor: string): Promise<AcmeAnswer> {
    const { store, urls, clock } = this.#options;
    requireOwn(request.account, id);
    const filter = { accountId: id, now: epochSeconds(clock) };
    const list = (token?: string): Promise<Page<string>> =>
      store.acme.listedOrders(filter, {
        size: ORDERS_A_PAGE,
        ...(token === undefined ? {} : { token }),
      });
    let page = await list(cursor === "" ? undefined : cursor);
    for (let pages = 1; pages < PAGES_AT_ONCE && page.items.length === 0; pages++) {
      if (page.nextToken === undefined) break;
      page = await list(page.nextToken);
    }
    const { items, nextToken } = page;
    return {
      status: 200,
      body: { orders: items.map((each) => urls.order(each)) },
      links:
        nextToken === undefined ? [] : [link(`${urls.orders(id)}?cursor=${nextToken}`, "next")],
    };
  }

  async #create(request: SignedRequest, payload: JwtClaims): Promise<AcmeAccountRecord> {
    const { store, externalAccounts, limits, settings, clock, random, logger } = this.#options;
    const { termsOfService } = settings();
    const { key, remoteAddress } = request;
    const contact = checkContact(payload["contact"] ?? []);
    const termsAgreed = payload["termsOfServiceAgreed"] === true;
    if (termsOfService !== undefined && !termsAgreed) {
      // §7.3.3
      throw acmeError("userActionRequired", "agree to the terms of service first", {
        members: { instance: termsOfService },
        headers: { link: link(termsOfService, "terms-of-service") },
      });
    }
    const binding = payload["externalAccountBinding"];
    const external = await externalAccountOf({ binding, request, ...this.#options });
    if (external === undefined && externalAccounts.required) {
      throw acmeError(
        "externalAccountRequired",
        "accounts are bound to an external account here; ask the operator for a key ('assay acme eab create')",
      );
    }
    requireWithin(await limits.account(remoteAddress), this.#options.urls);
    const now = epochSeconds(clock);
    const account: AcmeAccountRecord = {
      id: toBase64Url(random.bytes(ID_BYTES)),
      keyId: key.thumbprint,
      jwk: key.jwk,
      status: "valid",
      contact,
      termsAgreed,
      externalAccountId: external?.id ?? "",
      createdAt: now,
      usedAt: now,
      madeFrom: addressKey(remoteAddress),
    };
    await store.transaction(async (writers) => {
      await writers.acme.createAccount(account);
      if (external !== undefined) await externalAccounts.use(writers, external.id, account.id);
    });
    logger.info("acme account made", {
      account: account.id,
      ...(external === undefined ? {} : { externalAccount: external.id }),
      remoteAddress,
    });
    return account;
  }

  #existing(account: AcmeAccountRecord): AcmeAnswer {
    // §7.3.6: also to who only asks whether there is one.
    if (account.status !== "valid") {
      throw acmeError("unauthorized", `the account is ${account.status}`, { status: 401 });
    }
    return { ...this.#shown(account), location: this.#options.urls.account(account.id) };
  }

  #shown(account: AcmeAccountRecord): AcmeAnswer {
    const { urls, settings } = this.#options;
    const { termsOfService } = settings();
    return {
      status: 200,
      body: accountResource(account, urls),
      links: termsOfService === undefined ? [] : [link(termsOfService, "terms-of-service")],
    };
  }
}

function requireOwn(account: AcmeAccountRecord, id: string): void {
  if (account.id === id) return;
  throw acmeError("unauthorized", "this is the url of another account");
}

const ID_BYTES = 15;
const ORDERS_A_PAGE = 100;
/** Passed over until there is something to show; whoever follows `next` goes on. */
const PAGES_AT_ONCE = 10;
