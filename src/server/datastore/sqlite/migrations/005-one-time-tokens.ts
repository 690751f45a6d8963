import type { Migration } from "../migrate.ts";

/** Tokens given out for one entry each, until they are spent or expire. */
export const oneTimeTokens: Migration = {
  number: 5,
  name: "one-time tokens",
  sql: `
    CREATE TABLE one_time_tokens (
      hash TEXT NOT NULL PRIMARY KEY,
      entry_id TEXT NOT NULL,
      expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);
  `,
};
