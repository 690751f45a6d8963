/** Orders whose certificates are being made: so many at once, and those that take long to their end. */
import { Backoff } from "../../../base/backoff.ts";
import { type Clock, sleep } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { KeyedCounts } from "../../../base/keyed-counts.ts";
import type { Random } from "../../../base/random.ts";
import { jwsKey } from "../../../jwt/jws-key.ts";
import type { JwtClaims } from "../../../jwt/jws-parts.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { Datastore } from "../../datastore/contract.ts";
import { readCsr } from "./csr.ts";
import type { IssueParams, OrderIssuance } from "./issue-order.ts";
import type { Orders } from "./orders.ts";
import { acmeError, acmeErrorFrom, problemMembers } from "./problem.ts";

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
  readonly #underway = new Set<Promise<void>>();
  readonly #ofAccount = new KeyedCounts<string>();
  /** Those that are gone on with. */
  readonly #goingOn = new Map<string, Promise<void>>();

  constructor(options: ProcessingOrdersOptions) {
    this.#options = options;
  }

  /** How many clients were told `processing`. */
  get processing(): number {
    return this.#goingOn.size;
  }

  /** Goes on with what a process before this one had begun. */
  async resume(): Promise<void> {
    const { store, logger } = this.#options;
    const found = await store.acme.processingOrders(MAX_UNDERWAY);
    for (const { id } of found) this.goOn(id, this.#again(id));
    if (found.length > 0) logger.info("acme orders resumed", { many: found.length });
  }

  /** @throws AcmeError when too many are under way, of this account or of all */
  begin(params: Omit<IssueParams, "signal">): Promise<void> {
    const { id } = params.account;
    const own = this.#ofAccount.of(id);
    if (this.#underway.size >= MAX_UNDERWAY || own >= MAX_UNDERWAY_OF_ACCOUNT) {
      throw acmeError("rateLimited", "too many certificates are being made; come again", {
        headers: { "retry-after": String(ROOM_RETRY) },
      });
    }
    this.#ofAccount.add(id);
    const { signal } = this.#stopping;
    const work = this.#options.issuance.issue({ ...params, signal }).finally(() => {
      this.#underway.delete(work);
      this.#ofAccount.remove(id);
    });
    this.#underway.add(work);
    return work;
  }

  /** To the end, of an order that its row says is being made. @param work what was begun */
  goOn(id: string, work: Promise<void>): void {
    const going = this.#goOn(id, work)
      .catch((error: unknown) =>
        this.#options.logger.error("an acme order was not gone on with", { order: id, error }),
      )
      .finally(() => this.#goingOn.delete(id));
    this.#goingOn.set(id, going);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(fail("cancelled", "the server stops"));
    await Promise.allSettled([...this.#underway, ...this.#goingOn.values()]);
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
    if (known.state.status !== "processing") return;
    const { spki } = jwsKey(JSON.parse(account.jwk) as JwtClaims);
    const csr = await readCsr(order.csr, order.identifiers, spki);
    await this.begin({ account, known, csr });
  }

  /** @param error a problem as JSON; undefined: it can be finalized once more */
  async #end(id: string, error: string | undefined): Promise<void> {
    await this.#options.store.transaction(async ({ acme }) => {
      const present = await acme.order(id);
      if (present?.status !== "open") return;
      await acme.updateOrder({
        ...present,
        csr: "",
        ...(error === undefined ? {} : { status: "invalid", error }),
      });
    });
  }
}

const MAX_UNDERWAY = 2000;
/** As many as may be pending. */
const MAX_UNDERWAY_OF_ACCOUNT = 300;
const ROOM_RETRY = 10;
const BACKOFF = { baseMs: 1000, maxMs: 60_000, jitter: 0.3 };
/** What cannot be signed for so long can be finalized once more. */
const GO_ON_MS = 3600 * 1000;
