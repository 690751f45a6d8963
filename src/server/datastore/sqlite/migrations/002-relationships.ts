import type { Migration } from "../migrate.ts";

/** Federation relationships: where the bundle of a foreign trust domain is fetched. */
export const relationships: Migration = {
  number: 2,
  name: "relationships",
  sql: `
    CREATE TABLE relationships (
      trust_domain TEXT NOT NULL PRIMARY KEY,
      endpoint_url TEXT NOT NULL,
      endpoint_profile TEXT NOT NULL,
      endpoint_spiffe_id TEXT NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
};
