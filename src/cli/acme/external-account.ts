import type { ExternalAccount__Output } from "../../rpc/gen/assay/acme/v1/ExternalAccount.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";

export const EXTERNAL_ACCOUNTS_SERVICE = "assay.acme.v1.ExternalAccounts";

export interface ExternalAccountJson {
  readonly keyId: string;
  readonly entryId?: string;
  readonly names: readonly string[];
  readonly networks: readonly string[];
  readonly reusable: boolean;
  readonly expiresAt?: string;
  readonly createdAt: string;
  readonly accounts: number;
}

export function externalAccountJson(account: ExternalAccount__Output): ExternalAccountJson {
  const expiresAt = Number(account.expires_at);
  return {
    keyId: account.key_id,
    ...(account.entry_id === "" ? {} : { entryId: account.entry_id }),
    names: account.names,
    networks: account.networks,
    reusable: account.reusable,
    ...(expiresAt === 0 ? {} : { expiresAt: isoTime(expiresAt) }),
    createdAt: isoTime(Number(account.created_at)),
    accounts: account.accounts,
  };
}

/** @param macKey where it is shown */
export function externalAccountLines(
  account: ExternalAccountJson,
  nowMs: number,
  macKey?: string,
): string[] {
  const { names, networks, expiresAt } = account;
  const may = [...names, ...networks].join(", ");
  const own = account.entryId === undefined ? "those of the server" : "those of the entry";
  return factLines([
    ["key id", account.keyId],
    ["mac key", macKey],
    ["entry", account.entryId],
    ["names", may === "" ? own : may],
    ["accounts", `${account.accounts} of ${account.reusable ? "any number" : "1"}`],
    ["expires", expiresAt === undefined ? "never" : timeText(Date.parse(expiresAt) / 1000, nowMs)],
  ]);
}
