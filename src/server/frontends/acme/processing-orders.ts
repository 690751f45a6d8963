/**
 * Orders whose certificates are being made: so many at once, and those that take long to their end. Which ones those are
 * is in the datastore; it is gone through at the start and each minute, and as many as may be are gone on with.
 */
import { Backoff } from "../../../base/backoff.ts";
import { type Clock, sleep } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { KeyedCounts } from "../../../base/keyed-counts.ts";
import { Loop } from "../../../base/loop.ts";
import type { Random } from "../../../base/random.ts";
import { jwsKey } from "../../../jwt/jws-key.ts";
import type { JwtClaims } from "../../../jwt/jws-parts.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { AcmeProcessingOrder } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import { readCsr } from "./csr.ts";
import type { IssueParams, OrderIssuance } from "./issue-order.ts";
import type { Orders } from "./orders.ts";
import { acmeError, acmeErrorFrom, problemMembers, storedProblem } from "./problem.ts";

export interface ProcessingOrdersOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly orders: Pick<Orders, "require">;
  readonly issuance: Pick<OrderIssuance, "issue">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class ProcessingOrders implements AsyncDisposable {
  readonly #options: ProcessingOrdersOptions;
  readonly #stopping = new AbortController();
  /** By order. */
  readonly #underway = new Map<string, Promise<void>>();
  readonly #ofAccount = new KeyedCounts<string>();
  /** Those that are gone on with, by order. */
  readonly #goingOn = new Map<string, Promise<void>>();
  readonly #goingOnOfAccount = new KeyedCounts<string>();
  /** Accounts with more orders in the datastore than are gone on with; undefined: every account may have some. */
  #leftOut: Set<string> | undefined = new Set();
  #search: Loop | undefined;

  constructor(options: ProcessingOrdersOptions) {
    this.#options = options;
  }

  /** Goes on with what a process before this one had begun, and from then on with whatever is left so. */
  resume(): void {
    const { clock, random, logger } = this.#options;
    this.#search = new Loop({
      name: "acme orders being made",
      clock,
      random,
      backoff: BACKOFF,
      round: (signal) => this.#resume(signal),
      onError: (error, retryMs) =>
        logger.warn("acme orders that are being made could not be read", { error, retryMs }),
    });
  }

  /** @throws AcmeError when too many are under way, of this account or of all */
  begin(params: Omit<IssueParams, "signal">): Promise<void> {
    const { account, known } = params;
    const { id } = known.order;
    const isFull =
      this.#underway.size >= MAX_UNDERWAY || this.#ofAccount.of(account.id) >= MAX_OF_ACCOUNT;
    // One whose first answer was late and could not be noted is still at it.
    if (isFull || this.#underway.has(id)) {
      throw acmeError("rateLimited", "too many certificates are being made; come again", {
        headers: { "retry-after": String(ROOM_RETRY) },
      });
    }
    const { signal } = this.#stopping;
    this.#ofAccount.add(account.id);
    const work = this.#options.issuance.issue({ ...params, signal }).finally(() => {
      this.#underway.delete(id);
      this.#ofAccount.remove(account.id);
    });
    this.#underway.set(id, work);
    return work;
  }

  /** To the end, of an order that its row says is being made. @param work what was begun */
  goOn(
    { id, accountId }: Pick<AcmeProcessingOrder, "id" | "accountId">,
    work: Promise<void>,
  ): void {
    // Found in the datastore just before.
    if (this.#goingOn.has(id)) return;
    this.#goingOnOfAccount.add(accountId);
    const going = this.#goOn(id, work)
      .catch((error: unknown) =>
        this.#options.logger.error("an acme order was not gone on with", { order: id, error }),
      )
      .finally(() => {
        this.#goingOn.delete(id);
        this.#goingOnOfAccount.remove(accountId);
        if (this.#hasRoomAgain(accountId)) this.#search?.wake();
      });
    this.#goingOn.set(id, going);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(fail("cancelled", "the server stops"));
    await this.#search?.[Symbol.asyncDispose]();
    await Promise.allSettled([...this.#underway.values(), ...this.#goingOn.values()]);
  }

  /** A page at a time, as many as there is room for; the others stay where they are until there is. */
  async #resume(signal: AbortSignal): Promise<number> {
    const { store, logger } = this.#options;
    const leftOut = new Set<string>();
    let many = 0;
    let isAll = false;
    for (let after = 0; !isAll && this.#hasRoom && !signal.aborted; ) {
      const page = await store.acme.processingOrders(PAGE, after);
      for (const order of page) {
        if (this.#goingOn.has(order.id) || this.#underway.has(order.id)) continue;
        if (
          !this.#hasRoom ||
          this.#goingOnOfAccount.of(order.accountId) >= MAX_RESUMED_OF_ACCOUNT
        ) {
          leftOut.add(order.accountId);
          continue;
        }
        this.goOn(order, this.#again(order.id));
        many += 1;
      }
      isAll = page.length < PAGE;
      after = page.at(-1)?.position ?? after;
    }
    this.#leftOut = isAll && this.#hasRoom ? leftOut : undefined;
    if (many > 0) logger.info("acme orders resumed", { many });
    return SEARCH_MS;
  }

  get #hasRoom(): boolean {
    return this.#goingOn.size < MAX_GOING_ON;
  }

  /** Half of it at least: to look for each one alone would cost more than it brings. */
  #hasRoomAgain(accountId: string): boolean {
    if (this.#leftOut === undefined) return this.#goingOn.size <= MAX_GOING_ON / 2;
    return (
      this.#leftOut.has(accountId) &&
      this.#goingOnOfAccount.of(accountId) <= MAX_RESUMED_OF_ACCOUNT / 2
    );
  }

  async #goOn(id: string, begun: Promise<void>): Promise<void> {
    const { clock, random, logger } = this.#options;
    const { signal } = this.#stopping;
    const until = clock.nowMs() + GO_ON_MS;
    const backoff = new Backoff(BACKOFF, random);
    for (let work = begun; ; work = this.#again(id)) {
      try {
        await work;
        return;
      } catch (thrown) {
        // The next process goes on with it.
        if (signal.aborted) return;
        const error = acmeErrorFrom(thrown);
        const passes = error.status >= 500 || error.type === "rateLimited";
        if (!passes || clock.nowMs() >= until) {
          await this.#end(id, passes ? undefined : JSON.stringify(problemMembers(error)));
          logger.warn("an acme certificate was not made", { order: id, error: thrown });
          return;
        }
        // It is in the datastore, and comes again when there is room.
        if (this.#goingOn.size > MAX_GOING_ON) {
          this.#leftOut = undefined;
          return;
        }
        const retryMs = backoff.nextMs();
        logger.warn("an acme certificate is not made yet", { order: id, error: thrown, retryMs });
        await sleep(clock, retryMs, signal).catch(() => undefined);
        if (signal.aborted) return;
      }
    }
  }

  /** From what is written of it. */
  async #again(id: string): Promise<void> {
    const { store, orders } = this.#options;
    const order = await store.acme.order(id);
    if (order?.status !== "open" || order.csr === "") return;
    const account = await store.acme.account(order.accountId);
    if (account?.status !== "valid") {
      throw acmeError("unauthorized", "the order's account was deactivated");
    }
    const known = await orders.require(account, id);
    if (known.state.status !== "processing") {
      // It has expired, or lost an authorization: it says so by itself.
      await this.#end(id, undefined);
      return;
    }
    const { spki } = jwsKey(JSON.parse(account.jwk) as JwtClaims);
    const csr = await readCsr(order.csr, order.identifiers, spki);
    await this.begin({ account, known, csr });
  }

  /** @param error a problem as JSON; undefined: it can be finalized once more */
  async #end(id: string, error: string | undefined): Promise<void> {
    await this.#options.store.transaction(async ({ acme }) => {
      const present = await acme.order(id);
      if (present?.status !== "open") return;
      // Nobody has what may have been signed, and nothing else is going to be.
      const why = error ?? (present.signing === "" ? undefined : TOO_LATE);
      await acme.updateOrder({
        ...present,
        csr: "",
        signing: "",
        ...(why === undefined ? {} : { status: "invalid", error: why }),
      });
    });
  }
}

const MAX_UNDERWAY = 2000;
/** As many as may be pending. */
const MAX_OF_ACCOUNT = 300;
/** Their clients were told `processing`; more of them wait in the datastore. */
const MAX_GOING_ON = 2000;
/** So that new ones of the account have room, too. */
const MAX_RESUMED_OF_ACCOUNT = 200;
const PAGE = 500;
const SEARCH_MS = 60_000;
const ROOM_RETRY = 10;
const BACKOFF = { baseMs: 1000, maxMs: 60_000, jitter: 0.3 };
/** What cannot be signed for so long can be finalized once more, unless it was begun. */
const GO_ON_MS = 3600 * 1000;
const TOO_LATE = storedProblem({
  type: "serverInternal",
  detail: "the certificate could not be made in time; make another order",
});
