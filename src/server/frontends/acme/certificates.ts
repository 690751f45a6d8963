/** Download and revocation of certificates (RFC 8555 §7.4.2, §7.6), and when to renew them (RFC 9773 §4). */
import { type Clock, type EpochSeconds, epochSeconds } from "../../../base/clock.ts";
import { bytesEqual } from "../../../base/bytes.ts";
import type { HttpAnswer } from "../../../http/http-answer.ts";
import type { Logger } from "../../../observe/logger.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../../../x509/crl.ts";
import { encodePem } from "../../../x509/pem.ts";
import type { AcmeCertificateRecord } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import { type AcmeAnswer, link } from "./answers.ts";
import { withoutWildcard } from "./identifiers.ts";
import { acmeError } from "./problem.ts";
import { parseCertificateName } from "./replaces.ts";
import {
  type AccountRequest,
  type SignedRequest,
  malformed,
  payloadOf,
  requireEmpty,
} from "./request.ts";
import { timeText } from "./resources.ts";
import type { AcmeUrls } from "./urls.ts";

export interface RevokedCertificate {
  readonly authorityId: string;
  readonly serial: string;
  /** Empty = none. */
  readonly spiffeId: string;
  readonly expiresAt: EpochSeconds;
}

export interface CertificatesOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  /** Puts it on its authority's list, where lists are made; it is noted here in any case. */
  readonly revoke: (certificate: RevokedCertificate, reason: RevocationReason) => Promise<void>;
  readonly issuance: Pick<Issuance, "isWithdrawn" | "hasAlternate">;
  readonly urls: AcmeUrls;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Certificates {
  readonly #options: CertificatesOptions;

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** @param alternate from 1; empty: the chain itself. @throws AcmeError */
  async download(request: AccountRequest, id: string, alternate: string): Promise<AcmeAnswer> {
    const { store, urls } = this.#options;
    requireEmpty(request);
    const certificate = await store.acme.certificate(id);
    // Numbers stay those of the day on which it was made.
    const chains =
      certificate === undefined
        ? []
        : [
            certificate.chain,
            ...certificate.alternates.map((each) => this.#offered(certificate, each)),
          ];
    const number = alternate === "" ? 0 : /^[1-9]\d{0,2}$/.test(alternate) ? Number(alternate) : -1;
    const chain = chains[number];
    if (certificate === undefined || chain === undefined) {
      throw acmeError("malformed", "there is no such certificate", { status: 404 });
    }
    if (certificate.accountId !== request.account.id) {
      throw acmeError("unauthorized", "the certificate is another account's");
    }
    const pem = chain.map((der) => encodePem("CERTIFICATE", Buffer.from(der, "base64"))).join("");
    const links = chains.flatMap((each, at) => {
      if (each === undefined || at === number) return [];
      return [link(at === 0 ? urls.certificate(id) : urls.alternate(id, at), "alternate")];
    });
    return {
      status: 200,
      text: { type: "application/pem-certificate-chain", body: pem },
      links,
    };
  }

  /** A cross certificate may have been dropped, or a root revoked, since it was made. */
  #offered(
    { authorityId }: AcmeCertificateRecord,
    alternate: readonly string[],
  ): readonly string[] | undefined {
    const { issuance } = this.#options;
    return issuance.hasAlternate(authorityId, alternate.slice(1)) ? alternate : undefined;
  }

  /** By the account that has it or could have it, or by its key. @throws AcmeError */
  async revoke(request: SignedRequest | AccountRequest): Promise<AcmeAnswer> {
    const { store, clock, logger, revoke } = this.#options;
    const payload = payloadOf(request);
    const shown = shownCertificate(payload["certificate"]);
    const reason = reasonOf(payload["reason"]);
    const { authorityKeyId = "", serial } = shown;
    const known = await store.acme.certificateBySerial(authorityKeyId, serial);
    const [leaf = ""] = known?.chain ?? [];
    if (known === undefined || !bytesEqual(Buffer.from(leaf, "base64"), shown.raw)) {
      throw acmeError("malformed", "the certificate is not from here", { status: 404 });
    }
    await this.#requireMay(request, known, shown);
    if (known.revokedAt !== 0) throw acmeError("alreadyRevoked", "the certificate is revoked");
    const now = epochSeconds(clock);
    if (known.notAfter < now) throw acmeError("malformed", "the certificate has expired");
    // On the list first: asked again after a failure between the two, it is put there once.
    const { authorityId, spiffeId, notAfter: expiresAt } = known;
    await revoke({ authorityId, serial, spiffeId, expiresAt }, reason);
    await store.transaction(async ({ acme }) => {
      const present = await acme.certificate(known.id);
      if (present?.revokedAt === 0) await acme.updateCertificate({ ...present, revokedAt: now });
    });
    logger.info("acme certificate revoked", {
      serial,
      reason,
      ...("account" in request ? { account: request.account.id } : { byItsKey: true }),
    });
    return { status: 200 };
  }

  /** Unsigned, for anyone. @throws AcmeError */
  async renewalInfo(name: string): Promise<HttpAnswer> {
    const { store, urls, clock, issuance } = this.#options;
    const parsed = parseCertificateName(name);
    if (parsed === undefined) {
      throw acmeError("malformed", "a certificate is named by its authority key id and serial");
    }
    const known = await store.acme.certificateBySerial(parsed.authorityId, parsed.serial);
    if (known === undefined) {
      throw acmeError("malformed", "there is no such certificate", { status: 404 });
    }
    const isDue = known.revokedAt !== 0 || issuance.isWithdrawn(known.authorityId);
    const { start, end } = renewalWindow(known, isDue ? epochSeconds(clock) : undefined);
    const suggestedWindow = { start: timeText(start), end: timeText(end) };
    return {
      status: 200,
      type: "application/json",
      body: `${JSON.stringify({ suggestedWindow })}\n`,
      headers: {
        "retry-after": String(RENEWAL_RETRY),
        link: link(urls.directory, "index"),
      },
    };
  }

  async #requireMay(
    request: SignedRequest | AccountRequest,
    known: AcmeCertificateRecord,
    shown: Certificate,
  ): Promise<void> {
    const { store, clock } = this.#options;
    if (!("account" in request)) {
      if (bytesEqual(request.key.spki, shown.publicKey)) return;
      throw acmeError("unauthorized", "the request is not signed with the certificate's key");
    }
    const accountId = request.account.id;
    if (known.accountId === accountId) return;
    const lastsUntil = epochSeconds(clock);
    const has = await Promise.all(
      known.identifiers.map((each) =>
        store.acme.hasValidAuthorization({ accountId, ...withoutWildcard(each), lastsUntil }),
      ),
    );
    if (has.every(Boolean)) return;
    throw acmeError(
      "unauthorized",
      "the account has neither the certificate nor authorizations for all its names",
    );
  }
}

/**
 * Between two thirds and three quarters of its life.
 * @param now of one that is revoked, or whose authority is tainted or gone: at once
 */
function renewalWindow(
  { notBefore, notAfter }: AcmeCertificateRecord,
  now: EpochSeconds | undefined,
): { readonly start: EpochSeconds; readonly end: EpochSeconds } {
  if (now !== undefined) return { start: now - 3600, end: now - 1800 };
  const life = notAfter - notBefore;
  const start = notBefore + Math.floor((life * 2) / 3);
  return { start, end: Math.max(start + 1, notBefore + Math.floor((life * 3) / 4)) };
}

function shownCertificate(text: unknown): Certificate {
  const der = Buffer.from(typeof text === "string" ? text : "", "base64url");
  if (der.length === 0 || der.toString("base64url") !== text) {
    throw acmeError("malformed", "certificate is not base64url of DER");
  }
  return malformed(() => parseCertificate(der));
}

function reasonOf(code: unknown): RevocationReason {
  if (code === undefined || code === null) return "unspecified";
  const known = Object.entries(REVOCATION_REASONS).find(([, number]) => number === code);
  if (known !== undefined) return known[0] as RevocationReason;
  const codes = Object.values(REVOCATION_REASONS).join(", ");
  throw acmeError("badRevocationReason", `the reason is none of ${codes}`);
}

/** RFC 9773 §4.3. */
const RENEWAL_RETRY = 6 * 3600;
