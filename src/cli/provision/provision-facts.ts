import type { ApiToken__Output } from "../../rpc/gen/assay/provision/v1/ApiToken.ts";
import type { Grant__Output } from "../../rpc/gen/assay/provision/v1/Grant.ts";
import { isoTime } from "../text/facts.ts";
import type { FieldNames } from "../text/field-words.ts";

export const PROVISION_SERVICE = "assay.provision.v1.Provision";

/** What errors call the fields of an authorization, over the admin socket and over HTTP, and the options that fill them. */
export const GRANT_OPTIONS: FieldNames = {
  common_name: "--name",
  cn: "--name",
  names: "--san",
  life: "--life",
  ttl: "--ttl",
  spiffe_id: "--spiffe-id",
  entry_id: "--entry",
  name: "--api",
  allow_names: "--allow-name",
  lifeInSeconds: "--life",
  expiresInSeconds: "--ttl",
  spiffeId: "--spiffe-id",
  entry: "--entry",
};

/** An authorization as `--output json` prints it. */
export function grantJson(grant: Grant__Output): Record<string, unknown> {
  const { spiffe_id, entry_id, serial, life } = grant;
  return {
    cn: grant.common_name,
    tokenHash: grant.token_hash,
    state: stateOf(grant),
    dnsNames: grant.dns_names,
    ipAddresses: grant.ip_addresses,
    ...(Number(life) === 0 ? {} : { lifeSeconds: Number(life) }),
    ...(spiffe_id === "" ? {} : { spiffeId: spiffe_id }),
    ...(entry_id === "" ? {} : { entryId: entry_id }),
    grantedBy: grant.granted_by,
    createdAt: isoTime(Number(grant.created_at)),
    expiresAt: isoTime(Number(grant.expires_at)),
    failures: grant.failures,
    ...(serial === "" ? {} : { serial, certificateExpiresAt: isoTime(Number(grant.not_after)) }),
  };
}

/** One line for people. */
export function grantLine(grant: Grant__Output): string {
  const { token_hash, common_name, serial, expires_at, not_after } = grant;
  const end = isoTime(Number(serial === "" ? expires_at : not_after));
  return `${token_hash}  ${common_name}  ${stateOf(grant)}  until ${end}`;
}

export function apiTokenJson(token: ApiToken__Output): Record<string, unknown> {
  return {
    name: token.name,
    tokenHash: token.token_hash,
    allowNames: token.allow_names,
    allowEntries: token.allow_entries,
    createdAt: isoTime(Number(token.created_at)),
    expiresAt: isoTime(Number(token.expires_at)),
  };
}

export function apiTokenLine({ name, allow_names, expires_at }: ApiToken__Output): string {
  const names = allow_names.length === 0 ? "any name" : allow_names.join(",");
  return `${name}  ${names}  until ${isoTime(Number(expires_at))}`;
}

function stateOf({ withdrawn, serial }: Grant__Output): string {
  if (withdrawn) return "withdrawn";
  return serial === "" ? "waiting" : "used";
}
