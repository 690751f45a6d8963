import type { Migration } from "../migrate.ts";

/** X.509-SVIDs that were revoked before their end, and the last revocation list of each authority. */
export const revocations: Migration = {
  number: 7,
  name: "revocations",
  sql: `
    CREATE TABLE revocations (
      authority_id TEXT NOT NULL,
      serial TEXT NOT NULL,
      spiffe_id TEXT NOT NULL,
      reason TEXT NOT NULL,
      revoked_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      PRIMARY KEY (authority_id, serial)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE crls (
      authority_id TEXT NOT NULL PRIMARY KEY,
      number INTEGER NOT NULL,
      next_update INTEGER NOT NULL,
      der TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
};
