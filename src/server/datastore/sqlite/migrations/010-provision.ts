import type { Migration } from "../migrate.ts";

/** Authorizations of the front end `provision`, what came of them, and the tokens of those who make them. */
export const provision: Migration = {
  number: 10,
  name: "provision",
  sql: `
    CREATE TABLE provision_grants (
      hash TEXT NOT NULL PRIMARY KEY,
      common_name TEXT NOT NULL,
      dns_names TEXT NOT NULL,
      ip_addresses TEXT NOT NULL,
      life_seconds INTEGER NOT NULL,
      spiffe_id TEXT NOT NULL,
      entry_id TEXT NOT NULL,
      granted_by TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      failures INTEGER NOT NULL,
      withdrawn INTEGER NOT NULL,
      key_hash TEXT NOT NULL,
      serial TEXT NOT NULL,
      previous_serial TEXT NOT NULL,
      chain TEXT NOT NULL,
      not_after INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX provision_grants_serial ON provision_grants (serial) WHERE serial <> '';
    CREATE INDEX provision_grants_previous ON provision_grants (previous_serial) WHERE previous_serial <> '';
    CREATE INDEX provision_grants_expiry ON provision_grants (expires_at);
    CREATE TABLE provision_api_tokens (
      hash TEXT NOT NULL PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      allow_names TEXT NOT NULL,
      allow_entries INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
};
