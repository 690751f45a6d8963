/** The certificate of an order that is ready: what was found out when it was made is asked once more, then it is signed. */
import { toBase64, toBase64Url } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { orAborted } from "../../../base/abort.ts";
import { KeyedQueue } from "../../../base/keyed-queue.ts";
import type { Random } from "../../../base/random.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { AcmeAccountRecord, AcmeCertificateRecord } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import type { NamePolicy, Validator } from "./contract.ts";
import type { CsrWish } from "./csr.ts";
import { withoutWildcard } from "./identifiers.ts";
import { type KnownOrder, policyAccount, refusedIdentifiers } from "./orders.ts";
import { type AcmeError, type Subproblem, acmeError, refusedNames } from "./problem.ts";
import type { Profiles } from "./profiles.ts";
import type { AcmeUrls } from "./urls.ts";

export interface OrderIssuanceOptions {
  readonly store: Pick<Datastore, "transaction">;
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

export interface IssueParams {
  readonly account: AcmeAccountRecord;
  readonly known: KnownOrder;
  readonly csr: CsrWish;
  readonly signal: AbortSignal;
}

export class OrderIssuance {
  readonly #options: OrderIssuanceOptions;
  /** By account. */
  readonly #rechecks = new KeyedQueue("account");

  constructor(options: OrderIssuanceOptions) {
    this.#options = options;
  }

  /** The order is valid afterwards. @throws AcmeError; what issuance throws; the signal's reason */
  async issue(params: IssueParams): Promise<void> {
    const { store, profiles, issuance, clock, random, logger, metrics } = this.#options;
    const { account, known, csr, signal } = params;
    const { order } = known;
    const { id, identifiers, profile } = order;
    await this.#recheck(params);
    const ttlSeconds = order.notAfter === 0 ? 0 : order.notAfter - epochSeconds(clock);
    // None left would stand for as much as the profile has.
    if (order.notAfter !== 0 && ttlSeconds <= 0)
      throw acmeError("malformed", "the order's notAfter has passed");
    const allowed = await profiles.allow({ account, profile, identifiers, ttlSeconds });
    const commonName = csr.commonName;
    const signing = issuance.frontEndCertificate({
      ...allowed.request,
      ...(commonName === undefined ? {} : { commonName }),
      publicKey: csr.request.publicKey,
      by: {
        frontEnd: "acme",
        rule: `account ${account.id}, order ${id}`,
        ...(allowed.entryId === undefined ? {} : { entryId: allowed.entryId }),
      },
    });
    const made = await orAborted(signing, signal);
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
      // Read again after signing: an order may end, or be pruned, meanwhile, and what was signed is handed to nobody.
      if (present?.status !== "open") throw notReady(present?.status ?? "gone");
      await acme.createCertificate(certificate);
      await acme.updateOrder({
        ...present,
        status: "valid",
        expiresAt: certificate.notAfter,
        certificateId: certificate.id,
        csr: "",
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

  async #recheck({ account, known, signal }: IssueParams): Promise<void> {
    const { policy, validator, urls, clock } = this.#options;
    const { order, authorizations } = known;
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
}

export function notReady(status: string): AcmeError {
  return acmeError("orderNotReady", `the order is ${status}; only one that is ready is finalized`);
}

const ID_BYTES = 15;
/** RFC 8659 §3: a look at CAA is good for eight hours, as certificate authorities have it. */
const CAA_LASTS = 8 * 3600;
/** Names of one account, as of challenges. */
const RECHECKS_AT_ONCE = 16;
