import type { Migration } from "../migrate.ts";

/** Authorities that were revoked here, so that nobody brings them back: until they end. */
export const revokedAuthorities: Migration = {
  number: 12,
  name: "revoked-authorities",
  sql: `
    CREATE TABLE revoked_authorities (
      set_name TEXT NOT NULL,
      kind TEXT NOT NULL,
      id TEXT NOT NULL,
      not_after INTEGER NOT NULL,
      PRIMARY KEY (set_name, kind, id)
    ) STRICT, WITHOUT ROWID;
  `,
};
