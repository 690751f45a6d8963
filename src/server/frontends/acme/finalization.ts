/** From an order that is ready to its certificate (RFC 8555 §7.4). */
import { bytesEqual, toBase64, toBase64Url } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";
import { KeyedQueue } from "../../../base/keyed-queue.ts";
import { Serial } from "../../../base/serial.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import type { AcmeCertificateRecord } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import type { AcmeAnswer } from "./answers.ts";
import type { NamePolicy, Validator } from "./contract.ts";
import { type CsrWish, readCsr } from "./csr.ts";
import { withoutWildcard } from "./identifiers.ts";
import {
  type KnownOrder,
  type Orders,
  policyAccount,
  refusedIdentifiers,
  shownOrder,
} from "./orders.ts";
import { type Subproblem, acmeError, refusedNames } from "./problem.ts";
import type { Profiles } from "./profiles.ts";
import { type AccountRequest, payloadOf } from "./request.ts";
import type { AcmeUrls } from "./urls.ts";

export interface FinalizationOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly orders: Pick<Orders, "require">;
  readonly policy: NamePolicy;
  readonly profiles: Profiles;
  readonly validator: Pick<Validator, "recheck">;
  readonly issuance: Pick<Issuance, "frontEndCertificate">;
  readonly urls: AcmeUrls;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class Finalization {
  readonly #options: FinalizationOptions;
  /** Of orders that are being finalized: asked twice at once, an order leads to one certificate. */
  readonly #turns = new Map<string, { readonly serial: Serial; waiting: number }>();
  /** By account. */
  readonly #rechecks = new KeyedQueue("account");

  constructor(options: FinalizationOptions) {
    this.#options = options;
  }

  /**
   * The certificate is made before the answer. An order whose certificate could not be made stays ready; the answer of a
   * request that came again, with the same key, is that of the first.
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
    const { orders, urls } = this.#options;
    const known = await orders.require(request.account, id);
    const { status } = known.state;
    if (status !== "ready" && status !== "valid") throw notReady(status);
    const csr = await readCsr(text, known.order.identifiers, request.key.spki);
    if (status === "valid") {
      if (await this.#isFor(known, csr)) return shownOrder(known, urls);
      throw notReady("valid already, with another key");
    }
    await this.#issue(request, known, csr);
    return shownOrder(await orders.require(request.account, id), urls);
  }

  /** Everything that was found out when the order was made may be another now. */
  async #issue(request: AccountRequest, known: KnownOrder, csr: CsrWish): Promise<void> {
    const { store, profiles, issuance, clock, random, logger, metrics } = this.#options;
    const { account } = request;
    const { order } = known;
    const { id, identifiers, profile } = order;
    await this.#recheck(request, known);
    const ttlSeconds = order.notAfter === 0 ? 0 : order.notAfter - epochSeconds(clock);
    // None left would stand for as much as the profile has.
    if (order.notAfter !== 0 && ttlSeconds <= 0)
      throw acmeError("malformed", "the order's notAfter has passed");
    const allowed = await profiles.allow({ account, profile, identifiers, ttlSeconds });
    const commonName = csr.commonName;
    const made = await issuance.frontEndCertificate({
      ...allowed.request,
      ...(commonName === undefined ? {} : { commonName }),
      publicKey: csr.request.publicKey,
      by: {
        frontEnd: "acme",
        rule: `account ${account.id}, order ${id}`,
        ...(allowed.entryId === undefined ? {} : { entryId: allowed.entryId }),
      },
    });
    const certificate: AcmeCertificateRecord = {
      id: toBase64Url(random.bytes(ID_BYTES)),
      accountId: account.id,
      orderId: id,
      serial: made.serial,
      authorityId: made.authorityId,
      spiffeId: allowed.request.spiffeId?.toString() ?? "",
      // Some clients want a chain of two at least (certbot): the root, then, where it signs itself.
      chain: (made.chain.length > 1 ? made.chain : [...made.chain, made.root]).map(toBase64),
      alternates: made.alternates.map((chain) => chain.map(toBase64)),
      identifiers,
      notBefore: made.notBefore,
      notAfter: made.notAfter,
      replacedBy: "",
      revokedAt: 0,
    };
    await store.transaction(async ({ acme }) => {
      const present = await acme.order(id);
      // Another server was quicker: what was signed here is handed to nobody.
      if (present?.status !== "open") throw notReady(present?.status ?? "gone");
      await acme.createCertificate(certificate);
      await acme.updateOrder({
        ...present,
        status: "valid",
        expiresAt: certificate.notAfter,
        certificateId: certificate.id,
      });
    });
    metrics.add(SERVER_METRICS.acmeCertificates, [profile]);
    logger.info("acme certificate made", {
      account: account.id,
      order: id,
      serial: made.serial,
      profile,
    });
  }

  async #recheck(
    { account, signal }: AccountRequest,
    { order, authorizations }: KnownOrder,
  ): Promise<void> {
    const { policy, validator, urls, clock } = this.#options;
    const names = order.identifiers.map(withoutWildcard);
    const { profile } = order;
    const refused = await policy.check({
      account: policyAccount(account),
      identifiers: names,
      profile,
    });
    if (refused.length > 0) throw refusedIdentifiers(refused);
    const before = epochSeconds(clock) - CAA_LASTS;
    const old = authorizations.flatMap(({ type, value, wildcard, challenges }) => {
      const met = challenges.find((each) => each.status === "valid");
      if (met === undefined || met.validatedAt > before) return [];
      return [{ identifier: { type, value }, wildcard, type: met.type }];
    });
    if (old.length === 0) return;
    const accountUri = urls.account(account.id);
    const look = async (each: (typeof old)[number]): Promise<readonly Subproblem[]> => {
      const problem = await validator.recheck({ ...each, accountUri, signal });
      return problem === undefined ? [] : [{ ...problem, identifier: each.identifier }];
    };
    // One order of an account after another, a few names at a time: each look-up holds a socket for as long as DNS likes.
    await this.#rechecks.run(account.id, async () => {
      for (let at = 0; at < old.length; at += RECHECKS_AT_ONCE) {
        const problems = await Promise.all(old.slice(at, at + RECHECKS_AT_ONCE).map(look));
        if (problems.flat().length > 0) throw refusedNames(problems.flat());
      }
    });
  }

  /** Whether the order's certificate is for the key of this request: its answer was lost, then. */
  async #isFor({ order }: KnownOrder, { request }: CsrWish): Promise<boolean> {
    const certificate = await this.#options.store.acme.certificate(order.certificateId);
    const [leaf] = certificate?.chain ?? [];
    if (leaf === undefined) return false;
    const { publicKey } = parseCertificate(Buffer.from(leaf, "base64"));
    return bytesEqual(publicKey, request.publicKey);
  }
}

function notReady(status: string): ReturnType<typeof acmeError> {
  return acmeError("orderNotReady", `the order is ${status}; only one that is ready is finalized`);
}

const ID_BYTES = 15;
/** RFC 8659 §3: a look at CAA is good for eight hours, as certificate authorities have it. */
const CAA_LASTS = 8 * 3600;
/** Names of one account, as of challenges. */
const RECHECKS_AT_ONCE = 16;
