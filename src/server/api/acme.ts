import { asBuffer } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { ExternalAccount } from "../../rpc/gen/assay/acme/v1/ExternalAccount.ts";
import type { ExternalAccountsHandlers } from "../../rpc/gen/assay/acme/v1/ExternalAccounts.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { AcmeExternalAccountRecord } from "../datastore/acme-external-accounts.ts";
import type { StoredExternalAccounts } from "../frontends/acme/policy/external-accounts.ts";
import { pageField, textField } from "./fields.ts";

/** `assay.acme.v1.ExternalAccounts`. */
export function acmeApi(deps: {
  readonly accounts: Pick<StoredExternalAccounts, "create" | "list" | "delete">;
  /** Whether the front end is configured; what is left of it can be seen and deleted in any case. */
  readonly isOn: boolean;
}): Implementation<ExternalAccountsHandlers> {
  const { accounts, isOn } = deps;
  return {
    async CreateExternalAccount({ entry_id, names, networks, reusable, ttl }) {
      if (!isOn) {
        throw fail(
          "precondition",
          "the front end acme is off; set 'frontends.acme' in the server's file and start the server again",
        );
      }
      const record = await accounts.create({
        entryId: textField("entry_id", entry_id, MAX_ID),
        names,
        networks,
        reusable,
        ttlSeconds: ttl,
      });
      return {
        external_account: accountMessage(record),
        mac_key: asBuffer(Buffer.from(record.macKey, "base64")),
      };
    },

    async ListExternalAccounts(request) {
      const page = await accounts.list(pageField(request) ?? { size: DEFAULT_PAGE });
      return {
        external_accounts: page.items.map(accountMessage),
        next_page_token: page.nextToken ?? "",
      };
    },

    async DeleteExternalAccount({ key_id }) {
      if (key_id === "") throw fail("invalid", "key_id: is missing");
      await accounts.delete(textField("key_id", key_id, MAX_ID));
      return {};
    },
  };
}

function accountMessage(record: AcmeExternalAccountRecord): ExternalAccount {
  return {
    key_id: record.id,
    entry_id: record.entryId,
    names: [...record.names],
    networks: [...record.networks],
    reusable: record.reusable,
    expires_at: record.expiresAt,
    created_at: record.createdAt,
    accounts: record.accounts,
  };
}

const MAX_ID = 255;
const DEFAULT_PAGE = 1000;
