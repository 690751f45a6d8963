import type { Migration } from "../migrate.ts";

/** Where new accounts come from, for as long as that is limited. */
export const acmeMadeFrom: Migration = {
  number: 18,
  name: "acme made from",
  sql: `
    ALTER TABLE acme_accounts ADD COLUMN made_from TEXT NOT NULL DEFAULT '';
    CREATE INDEX acme_accounts_made_from ON acme_accounts (made_from, created_at) WHERE made_from <> '';
  `,
};
