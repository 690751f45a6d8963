/**
 * The certificate of an order that is ready: what was found out when it was made is asked once more, then what is to be
 * signed is written down, signed, and stored. An order has one certificate: what comes after a failure, or after a process
 * that was killed in between, makes the very one that was written down, or none.
 */
import { toBase64, toBase64Url } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { orAborted } from "../../../base/abort.ts";
import { fail, isKind } from "../../../base/errors.ts";
import { KeyedQueue } from "../../../base/keyed-queue.ts";
import { LruMap } from "../../../base/lru.ts";
import type { Random } from "../../../base/random.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type {
  AcmeAccountRecord,
  AcmeCertificateRecord,
  AcmeOrderRecord,
} from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type {
  CertificatePlan,
  FrontEndCertificate,
  PreparedCertificate,
} from "../../issuance/front-end-issuance.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import type { NamePolicy, Validator } from "./contract.ts";
import type { CsrWish } from "./csr.ts";
import { withoutWildcard } from "./identifiers.ts";
import { type KnownOrder, askedLife, policyAccount, refusedIdentifiers } from "./orders.ts";
import { type AcmeError, type Subproblem, acmeError, refusedNames } from "./problem.ts";
import type { Profiles } from "./profiles.ts";
import type { AcmeUrls } from "./urls.ts";

export interface OrderIssuanceOptions {
  readonly store: Pick<Datastore, "transaction">;
  readonly policy: NamePolicy;
  readonly profiles: Profiles;
  readonly validator: Pick<Validator, "recheck">;
  readonly issuance: Pick<Issuance, "prepareFrontEndCertificate">;
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
  /** Signed and not stored, by order. */
  readonly #made = new LruMap<string, FrontEndCertificate>(MAX_MADE);

  constructor(options: OrderIssuanceOptions) {
    this.#options = options;
  }

  /** The order is valid afterwards. @throws AcmeError; what issuance throws; the signal's reason */
  async issue(params: IssueParams): Promise<void> {
    const { logger, metrics } = this.#options;
    const { account, known, signal } = params;
    const { id, profile } = known.order;
    await this.#recheck(params);
    const { prepared, spiffeId } = await this.#prepare(params);
    await this.#note(params, prepared.plan);
    const made = this.#made.get(id) ?? (await orAborted(prepared.sign(), signal));
    // Until it is stored: what cannot be written for a while is not signed again and again.
    this.#made.set(id, made);
    await this.#store(params, made, spiffeId);
    this.#made.delete(id);
    metrics.add(SERVER_METRICS.acmeCertificates, [profile]);
    logger.info("acme certificate made", {
      account: account.id,
      order: id,
      serial: made.serial,
      profile,
    });
  }

  async #prepare({ account, known, csr }: IssueParams): Promise<{
    readonly prepared: PreparedCertificate;
    readonly spiffeId: string;
  }> {
    const { profiles, issuance, clock } = this.#options;
    const { order } = known;
    const { id, identifiers, profile, notBefore, notAfter } = order;
    const now = epochSeconds(clock);
    if (notAfter !== 0 && notAfter <= now)
      throw acmeError("malformed", "the order's notAfter has passed");
    const ttlSeconds = askedLife(order, now);
    const allowed = await profiles.allow({ account, profile, identifiers, ttlSeconds });
    const { commonName } = csr;
    const params = {
      ...allowed.request,
      ...(commonName === undefined ? {} : { commonName }),
      ...(notBefore === 0 ? {} : { notBefore }),
      publicKey: csr.request.publicKey,
      by: {
        frontEnd: "acme",
        rule: `account ${account.id}, order ${id}`,
        ...(allowed.entryId === undefined ? {} : { entryId: allowed.entryId }),
      },
    };
    const plan = planOf(order);
    try {
      const prepared = issuance.prepareFrontEndCertificate(params, plan);
      return { prepared, spiffeId: allowed.request.spiffeId?.toString() ?? "" };
    } catch (thrown) {
      if (!isKind(thrown, "conflict")) throw thrown;
      // It may have been signed, though nobody has it: another one would be a second.
      const detail = "the certificate that was begun cannot be made any more; make another order";
      throw acmeError("serverInternal", detail, { status: 409, cause: thrown });
    }
  }

  /** Before it is signed. */
  async #note({ known, csr }: IssueParams, plan: CertificatePlan): Promise<void> {
    const { id, signing } = known.order;
    if (signing !== "") return;
    await this.#options.store.transaction(async ({ acme }) => {
      const present = await acme.order(id);
      if (present?.status !== "open") throw notReady(present?.status ?? "gone");
      if (present.signing !== "")
        throw fail("unavailable", "the order's certificate is being made");
      await acme.updateOrder({ ...present, csr: csr.text, signing: JSON.stringify(plan) });
    });
  }

  async #store(
    { account, known }: IssueParams,
    made: FrontEndCertificate,
    spiffeId: string,
  ): Promise<void> {
    const { store, random } = this.#options;
    const { id, identifiers } = known.order;
    const certificate: AcmeCertificateRecord = {
      id: toBase64Url(random.bytes(ID_BYTES)),
      accountId: account.id,
      orderId: id,
      serial: made.serial,
      authorityId: made.authorityId,
      spiffeId,
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
        signing: "",
      });
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

function planOf({ signing }: AcmeOrderRecord): CertificatePlan | undefined {
  return signing === "" ? undefined : (JSON.parse(signing) as CertificatePlan);
}

export function notReady(status: string): AcmeError {
  return acmeError("orderNotReady", `the order is ${status}; only one that is ready is finalized`);
}

const ID_BYTES = 15;
/** As many as may be under way. */
const MAX_MADE = 2000;
/** RFC 8659 §3: a look at CAA is good for eight hours, as certificate authorities have it. */
const CAA_LASTS = 8 * 3600;
/** Names of one account, as of challenges. */
const RECHECKS_AT_ONCE = 16;
