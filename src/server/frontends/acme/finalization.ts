/**
 * From an order that is ready to its certificate (RFC 8555 §7.4). What takes long goes on while its client is told
 * `processing`, and is written down first: the process that follows one that was killed goes on with it.
 */
import { bytesEqual } from "../../../base/bytes.ts";
import type { Clock } from "../../../base/clock.ts";
import { Serial } from "../../../base/serial.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import { parseCsr } from "../../../x509/csr.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { AcmeAnswer } from "./answers.ts";
import { type CsrWish, readCsr } from "./csr.ts";
import { notReady } from "./issue-order.ts";
import { type KnownOrder, type Orders, shownOrder } from "./orders.ts";
import type { ProcessingOrders } from "./processing-orders.ts";
import { type AccountRequest, payloadOf } from "./request.ts";
import type { AcmeUrls } from "./urls.ts";

export interface FinalizationOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly orders: Pick<Orders, "require">;
  readonly processing: Pick<ProcessingOrders, "begin" | "goOn">;
  readonly urls: AcmeUrls;
  readonly clock: Clock;
}

export class Finalization {
  readonly #options: FinalizationOptions;
  /** Of orders that are being finalized: asked twice at once, an order leads to one certificate. */
  readonly #turns = new Map<string, { readonly serial: Serial; waiting: number }>();

  constructor(options: FinalizationOptions) {
    this.#options = options;
  }

  /**
   * Answered with the certificate where that is made in time, else `processing`, as soon as something was to be signed. What
   * fails before is the answer, and the order stays ready; a request that comes again, with the same key, is answered as
   * the first would be by now.
   * @throws AcmeError
   */
  async finalize(request: AccountRequest, id: string): Promise<AcmeAnswer> {
    const { csr: text } = payloadOf(request);
    // Whether it is there and whose it is, before anyone waits for it.
    await this.#options.orders.require(request.account, id);
    const turn = this.#turns.get(id) ?? { serial: new Serial(), waiting: 0 };
    this.#turns.set(id, turn);
    turn.waiting += 1;
    try {
      return await turn.serial.run(() => this.#finalize(request, id, text));
    } finally {
      turn.waiting -= 1;
      if (turn.waiting === 0) this.#turns.delete(id);
    }
  }

  async #finalize(request: AccountRequest, id: string, text: unknown): Promise<AcmeAnswer> {
    const { orders, processing, urls, clock } = this.#options;
    const { account } = request;
    const known = await orders.require(account, id);
    const { status } = known.state;
    if (status !== "ready" && status !== "processing" && status !== "valid") throw notReady(status);
    const csr = await readCsr(text, known.order.identifiers, request.key.spki);
    if (status !== "ready") {
      if (await this.#isFor(known, csr)) return shownOrder(known, urls);
      throw notReady(`${status} already, with another key`);
    }
    const work = processing.begin({ account, known, csr });
    try {
      if (!(await isDoneWithin(clock, ANSWER_MS, work))) {
        await this.#remember(id, csr.text);
        processing.goOn(known.order, work);
      }
    } catch (thrown) {
      const { state } = await orders.require(account, id);
      // From the moment that something was to be signed it is the only one, and comes when it can.
      if (state.status !== "processing") throw thrown;
      processing.goOn(known.order, work);
    }
    return shownOrder(await orders.require(account, id), urls);
  }

  async #remember(id: string, csr: string): Promise<void> {
    await this.#options.store.transaction(async ({ acme }) => {
      const present = await acme.order(id);
      // Done in the very last moment.
      if (present?.status === "open") await acme.updateOrder({ ...present, csr });
    });
  }

  /** Whether the order's certificate, made or being made, is for the key of this request: its answer was lost, then. */
  async #isFor({ order }: KnownOrder, { request }: CsrWish): Promise<boolean> {
    if (order.csr !== "") {
      return bytesEqual(parseCsr(Buffer.from(order.csr, "base64url")).publicKey, request.publicKey);
    }
    const certificate = await this.#options.store.acme.certificate(order.certificateId);
    const [leaf] = certificate?.chain ?? [];
    if (leaf === undefined) return false;
    const { publicKey } = parseCertificate(Buffer.from(leaf, "base64"));
    return bytesEqual(publicKey, request.publicKey);
  }
}

/** @throws what the work throws in that time; what it throws later is for whoever goes on with it */
async function isDoneWithin(clock: Clock, ms: number, work: Promise<void>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = clock.after(ms, () => resolve(false));
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    cancel();
  }
}

/** Longer than any certificate takes that is signed here. */
const ANSWER_MS = 2000;
