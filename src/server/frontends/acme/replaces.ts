/** Certificates by the names that renewal information gives them (RFC 9773 §4.1, §5). */
import type { EpochSeconds } from "../../../base/clock.ts";
import { toBase64Url, toHex } from "../../../base/bytes.ts";
import type {
  AcmeAccountRecord,
  AcmeCertificateRecord,
  AcmeIdentifierRecord,
  AcmeReader,
  AcmeWriter,
} from "../../datastore/acme.ts";
import { identifierKey } from "./identifiers.ts";
import { type AcmeError, acmeError } from "./problem.ts";
import { orderState } from "./resources.ts";

export interface CertificateName {
  /** As the client spells it. */
  readonly name: string;
  readonly authorityId: string;
  readonly serial: string;
}

/** @returns undefined when it is no such name */
export function parseCertificateName(name: string): CertificateName | undefined {
  const [, keyId = "", serial = ""] =
    /^([A-Za-z0-9_-]{1,128})\.([A-Za-z0-9_-]{1,64})$/.exec(name) ?? [];
  const bytes = [keyId, serial].map((part) => Buffer.from(part, "base64url"));
  const [authority = EMPTY, number = EMPTY] = bytes;
  const isCanonical = toBase64Url(authority) === keyId && toBase64Url(number) === serial;
  if (keyId === "" || !isCanonical) return undefined;
  return {
    name,
    authorityId: toHex(authority),
    serial: toHex(number).replace(/^0+(?=.)/, ""),
  };
}

export interface ReplacesParams {
  /** The member `replaces` of a new order. */
  readonly value: unknown;
  readonly account: AcmeAccountRecord;
  readonly identifiers: readonly AcmeIdentifierRecord[];
  readonly store: AcmeReader;
  readonly now: EpochSeconds;
}

/** What the order is to replace. @returns undefined when nothing. @throws AcmeError when that cannot be */
export async function replacedCertificate(
  params: ReplacesParams,
): Promise<CertificateName | undefined> {
  const { value, account, identifiers, store, now } = params;
  if (value === undefined || value === null || value === "") return undefined;
  const name = typeof value === "string" ? parseCertificateName(value) : undefined;
  const certificate =
    name === undefined ? undefined : await store.certificateBySerial(name.authorityId, name.serial);
  if (name === undefined || certificate === undefined) {
    throw acmeError("malformed", "replaces names no certificate of this server");
  }
  if (certificate.accountId !== account.id) {
    throw acmeError("unauthorized", "replaces names another account's certificate");
  }
  const old = new Set(certificate.identifiers.map(identifierKey));
  if (!identifiers.some((each) => old.has(identifierKey(each)))) {
    throw acmeError("malformed", "the order shares no identifier with what it replaces");
  }
  if (await isReplaced(certificate, store, now)) throw alreadyReplaced();
  return name;
}

/** Notes, in the transaction that makes the order, what it replaces. @throws AcmeError when another was quicker */
export async function markReplaced(
  acme: AcmeWriter,
  { authorityId, serial }: CertificateName,
  orderId: string,
  now: EpochSeconds,
): Promise<void> {
  const certificate = await acme.certificateBySerial(authorityId, serial);
  if (certificate === undefined) return;
  if (await isReplaced(certificate, acme, now)) throw alreadyReplaced();
  await acme.updateCertificate({ ...certificate, replacedBy: orderId });
}

/** An order that came to nothing replaces nothing. */
async function isReplaced(
  { replacedBy }: AcmeCertificateRecord,
  store: AcmeReader,
  now: EpochSeconds,
): Promise<boolean> {
  if (replacedBy === "") return false;
  const order = await store.order(replacedBy);
  if (order === undefined) return false;
  const authorizations = await Promise.all(
    order.authorizations.map((id) => store.authorization(id)),
  );
  const known = authorizations.filter((each) => each !== undefined);
  return orderState(order, known, now).status !== "invalid";
}

function alreadyReplaced(): AcmeError {
  return acmeError("alreadyReplaced", "another order replaces this certificate already");
}

const EMPTY = Buffer.alloc(0);
