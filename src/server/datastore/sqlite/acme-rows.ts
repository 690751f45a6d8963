/** Rows of the ACME tables, both ways. Lists are JSON that was written here. */
import type {
  AcmeAccountRecord,
  AcmeAuthorizationRecord,
  AcmeCertificateRecord,
  AcmeMadeOrder,
  AcmeOrderRecord,
} from "../acme.ts";
import { type Row, readBoolean, readInteger, readStrings, readText } from "./row.ts";

type Value = string | number;

export const ACCOUNT_COLUMNS =
  "id, key_id, jwk, status, contact, terms_agreed, external_account_id, created_at, used_at, made_from";

export function accountValues(account: AcmeAccountRecord): Value[] {
  return [
    account.id,
    account.keyId,
    account.jwk,
    account.status,
    JSON.stringify(account.contact),
    account.termsAgreed ? 1 : 0,
    account.externalAccountId,
    account.createdAt,
    account.usedAt,
    account.madeFrom,
  ];
}

export function accountFromRow(row: Row): AcmeAccountRecord {
  return {
    id: readText(row, "id"),
    keyId: readText(row, "key_id"),
    jwk: readText(row, "jwk"),
    status: readText(row, "status") as AcmeAccountRecord["status"],
    contact: readStrings(row, "contact"),
    termsAgreed: readBoolean(row, "terms_agreed"),
    externalAccountId: readText(row, "external_account_id"),
    createdAt: readInteger(row, "created_at"),
    usedAt: readInteger(row, "used_at"),
    madeFrom: readText(row, "made_from"),
  };
}

export const ORDER_COLUMNS =
  "id, account_id, status, identifiers, authorizations, profile, not_before, not_after, expires_at, created_at, error, certificate_id, replaces, csr, signing";

export function orderValues(order: AcmeOrderRecord): Value[] {
  return [
    order.id,
    order.accountId,
    order.status,
    JSON.stringify(order.identifiers),
    JSON.stringify(order.authorizations),
    order.profile,
    order.notBefore,
    order.notAfter,
    order.expiresAt,
    order.createdAt,
    order.error,
    order.certificateId,
    order.replaces,
    order.csr,
    order.signing,
  ];
}

export function orderFromRow(row: Row): AcmeOrderRecord {
  return {
    id: readText(row, "id"),
    accountId: readText(row, "account_id"),
    status: readText(row, "status") as AcmeOrderRecord["status"],
    identifiers: readJson(row, "identifiers") as AcmeOrderRecord["identifiers"],
    authorizations: readStrings(row, "authorizations"),
    profile: readText(row, "profile"),
    notBefore: readInteger(row, "not_before"),
    notAfter: readInteger(row, "not_after"),
    expiresAt: readInteger(row, "expires_at"),
    createdAt: readInteger(row, "created_at"),
    error: readText(row, "error"),
    certificateId: readText(row, "certificate_id"),
    replaces: readText(row, "replaces"),
    csr: readText(row, "csr"),
    signing: readText(row, "signing"),
  };
}

export function madeOrderFromRow(row: Row): AcmeMadeOrder {
  return {
    createdAt: readInteger(row, "created_at"),
    identifiers: readJson(row, "identifiers") as AcmeMadeOrder["identifiers"],
    position: readInteger(row, "number"),
  };
}

export const AUTHORIZATION_COLUMNS =
  "id, account_id, type, value, wildcard, status, expires_at, created_at, processing, challenges";

export function authorizationValues(authorization: AcmeAuthorizationRecord): Value[] {
  const { challenges, status } = authorization;
  const isProcessing = status === "pending" && challenges.some((c) => c.status === "processing");
  return [
    authorization.id,
    authorization.accountId,
    authorization.type,
    authorization.value,
    authorization.wildcard ? 1 : 0,
    status,
    authorization.expiresAt,
    authorization.createdAt,
    isProcessing ? 1 : 0,
    JSON.stringify(challenges),
  ];
}

export function authorizationFromRow(row: Row): AcmeAuthorizationRecord {
  return {
    id: readText(row, "id"),
    accountId: readText(row, "account_id"),
    type: readText(row, "type") as AcmeAuthorizationRecord["type"],
    value: readText(row, "value"),
    wildcard: readBoolean(row, "wildcard"),
    status: readText(row, "status") as AcmeAuthorizationRecord["status"],
    expiresAt: readInteger(row, "expires_at"),
    createdAt: readInteger(row, "created_at"),
    challenges: readJson(row, "challenges") as AcmeAuthorizationRecord["challenges"],
  };
}

export const CERTIFICATE_COLUMNS =
  "id, account_id, order_id, serial, authority_id, spiffe_id, chain, alternates, identifiers, not_before, not_after, replaced_by, revoked_at";

export function certificateValues(certificate: AcmeCertificateRecord): Value[] {
  return [
    certificate.id,
    certificate.accountId,
    certificate.orderId,
    certificate.serial,
    certificate.authorityId,
    certificate.spiffeId,
    JSON.stringify(certificate.chain),
    JSON.stringify(certificate.alternates),
    JSON.stringify(certificate.identifiers),
    certificate.notBefore,
    certificate.notAfter,
    certificate.replacedBy,
    certificate.revokedAt,
  ];
}

export function certificateFromRow(row: Row): AcmeCertificateRecord {
  return {
    id: readText(row, "id"),
    accountId: readText(row, "account_id"),
    orderId: readText(row, "order_id"),
    serial: readText(row, "serial"),
    authorityId: readText(row, "authority_id"),
    spiffeId: readText(row, "spiffe_id"),
    chain: readStrings(row, "chain"),
    alternates: readJson(row, "alternates") as AcmeCertificateRecord["alternates"],
    identifiers: readJson(row, "identifiers") as AcmeCertificateRecord["identifiers"],
    notBefore: readInteger(row, "not_before"),
    notAfter: readInteger(row, "not_after"),
    replacedBy: readText(row, "replaced_by"),
    revokedAt: readInteger(row, "revoked_at"),
  };
}

function readJson(row: Row, column: string): unknown {
  return JSON.parse(readText(row, column));
}
