import type { SQLInputValue } from "node:sqlite";
import type { EntryRecord } from "../contract.ts";
import { type Row, readBoolean, readInteger, readStrings, readText } from "./row.ts";
import { encodeSelectors, hashSelectors, readSelectors } from "./selectors.ts";

/** Columns in the order of `entryValues`. */
export const ENTRY_COLUMNS = [
  "id",
  "spiffe_id",
  "parent_id",
  "selectors",
  "selectors_hash",
  "selector_count",
  "x509_svid_ttl",
  "jwt_svid_ttl",
  "federates_with",
  "federates_count",
  "admin",
  "downstream",
  "store_svid",
  "expires_at",
  "dns_names",
  "hint",
  "disable_x509_svid_prefetch",
  "jwt_svid_include_jti",
  "template",
  "template_trusts_agent",
  "jwt_claims",
  "revision_number",
  "created_at",
] as const;

export function entryValues(entry: EntryRecord): SQLInputValue[] {
  const selectors = encodeSelectors(entry.selectors);
  return [
    entry.id,
    entry.spiffeId,
    entry.parentId,
    selectors,
    hashSelectors(selectors),
    entry.selectors.length,
    entry.x509SvidTtl,
    entry.jwtSvidTtl,
    JSON.stringify(entry.federatesWith),
    entry.federatesWith.length,
    Number(entry.admin),
    Number(entry.downstream),
    Number(entry.storeSvid),
    entry.expiresAt,
    JSON.stringify(entry.dnsNames),
    entry.hint,
    Number(entry.disableX509SvidPrefetch),
    Number(entry.jwtSvidIncludeJti),
    entry.template?.id ?? "",
    Number(entry.template?.trustAgent ?? false),
    entry.jwtClaims ?? "",
    entry.revisionNumber,
    entry.createdAt,
  ];
}

export function entryFromRow(row: Row): EntryRecord {
  const template = readText(row, "template");
  const jwtClaims = readText(row, "jwt_claims");
  return {
    id: readText(row, "id"),
    spiffeId: readText(row, "spiffe_id"),
    parentId: readText(row, "parent_id"),
    selectors: readSelectors(row, "selectors"),
    x509SvidTtl: readInteger(row, "x509_svid_ttl"),
    jwtSvidTtl: readInteger(row, "jwt_svid_ttl"),
    federatesWith: readStrings(row, "federates_with"),
    admin: readBoolean(row, "admin"),
    downstream: readBoolean(row, "downstream"),
    storeSvid: readBoolean(row, "store_svid"),
    expiresAt: readInteger(row, "expires_at"),
    dnsNames: readStrings(row, "dns_names"),
    hint: readText(row, "hint"),
    disableX509SvidPrefetch: readBoolean(row, "disable_x509_svid_prefetch"),
    jwtSvidIncludeJti: readBoolean(row, "jwt_svid_include_jti"),
    ...(template !== "" && {
      template: { id: template, trustAgent: readBoolean(row, "template_trusts_agent") },
    }),
    ...(jwtClaims !== "" && { jwtClaims }),
    revisionNumber: readInteger(row, "revision_number"),
    createdAt: readInteger(row, "created_at"),
  };
}
