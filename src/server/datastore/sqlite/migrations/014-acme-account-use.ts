import type { Migration } from "../migrate.ts";

/** When an account was last used, so that those that nobody uses can go. */
export const acmeAccountUse: Migration = {
  number: 14,
  name: "acme account use",
  sql: `
    ALTER TABLE acme_accounts ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
    UPDATE acme_accounts SET used_at = max(created_at, coalesce(
      (SELECT max(created_at) FROM acme_orders WHERE account_id = acme_accounts.id), 0));
    CREATE INDEX acme_accounts_use ON acme_accounts (used_at);
    CREATE INDEX acme_certificates_account ON acme_certificates (account_id);
  `,
};
