import type { Migration } from "../migrate.ts";

/**
 * Authorizations in the order in which they came. Kept by the hash of a token, each was written to a page of its own, and
 * split it when its certificate came: nine pages for a token instead of four.
 */
export const provisionRows: Migration = {
  number: 20,
  name: "provision rows",
  sql: `
    CREATE TABLE new_grants (
      n INTEGER PRIMARY KEY,
      hash TEXT NOT NULL UNIQUE,
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
    ) STRICT;
    INSERT INTO new_grants (hash, common_name, dns_names, ip_addresses, life_seconds, spiffe_id, entry_id, granted_by,
        created_at, expires_at, failures, withdrawn, key_hash, serial, previous_serial, chain, not_after)
      SELECT hash, common_name, dns_names, ip_addresses, life_seconds, spiffe_id, entry_id, granted_by,
        created_at, expires_at, failures, withdrawn, key_hash, serial, previous_serial, chain, not_after
      FROM provision_grants ORDER BY created_at, hash;
    DROP TABLE provision_grants;
    ALTER TABLE new_grants RENAME TO provision_grants;
    CREATE INDEX provision_grants_serial ON provision_grants (serial) WHERE serial <> '';
    CREATE INDEX provision_grants_previous ON provision_grants (previous_serial) WHERE previous_serial <> '';
    CREATE INDEX provision_grants_expiry ON provision_grants (expires_at);
  `,
};
