import type { Migration } from "../migrate.ts";

/** Keys that accounts of the ACME front end are bound by. */
export const acmeExternalAccounts: Migration = {
  number: 13,
  name: "acme external accounts",
  sql: `
    CREATE TABLE acme_external_accounts (
      id TEXT NOT NULL PRIMARY KEY,
      mac_key TEXT NOT NULL,
      entry_id TEXT NOT NULL,
      names TEXT NOT NULL,
      networks TEXT NOT NULL,
      reusable INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      accounts INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
};
