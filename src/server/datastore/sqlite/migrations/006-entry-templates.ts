import type { Migration } from "../migrate.ts";

/** Entries that name a family of SPIFFE IDs; an empty template makes an entry one identity. */
export const entryTemplates: Migration = {
  number: 6,
  name: "entry templates",
  sql: `
    ALTER TABLE entries ADD COLUMN template TEXT NOT NULL DEFAULT '';
    ALTER TABLE entries ADD COLUMN template_trusts_agent INTEGER NOT NULL DEFAULT 0;
  `,
};
