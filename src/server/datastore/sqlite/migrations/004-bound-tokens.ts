import type { Migration } from "../migrate.ts";

/** Tokens of other issuers that were used: each counts for one key until it is too old for any. */
export const boundTokens: Migration = {
  number: 4,
  name: "bound tokens",
  sql: `
    CREATE TABLE bound_tokens (
      fingerprint TEXT NOT NULL PRIMARY KEY,
      key_hash TEXT NOT NULL,
      expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX bound_tokens_expiry ON bound_tokens (expires_at);
  `,
};
