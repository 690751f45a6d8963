import type { Migration } from "../migrate.ts";

/**
 * The first schema. An entry or node is one row, its lists in JSON columns; `entry_selectors`, `entry_federates` and
 * `node_selectors` are search indexes over those lists, written with the row and read only to find rows.
 * `selectors_hash` is the SHA-256 of the `selectors` column, which is in canonical order.
 */
export const init: Migration = {
  number: 1,
  name: "init",
  sql: `
    CREATE TABLE entries (
      n INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      spiffe_id TEXT NOT NULL,
      parent_id TEXT NOT NULL,
      selectors TEXT NOT NULL,
      selectors_hash BLOB NOT NULL,
      selector_count INTEGER NOT NULL,
      x509_svid_ttl INTEGER NOT NULL,
      jwt_svid_ttl INTEGER NOT NULL,
      federates_with TEXT NOT NULL,
      federates_count INTEGER NOT NULL,
      admin INTEGER NOT NULL,
      downstream INTEGER NOT NULL,
      store_svid INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      dns_names TEXT NOT NULL,
      hint TEXT NOT NULL,
      disable_x509_svid_prefetch INTEGER NOT NULL,
      jwt_svid_include_jti INTEGER NOT NULL,
      revision_number INTEGER NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX entries_similar ON entries (parent_id, spiffe_id, selectors_hash);
    CREATE INDEX entries_spiffe_id ON entries (spiffe_id);
    CREATE INDEX entries_order ON entries (created_at, id);
    CREATE INDEX entries_expiry ON entries (expires_at) WHERE expires_at > 0;

    CREATE TABLE entry_selectors (
      type TEXT NOT NULL,
      value TEXT NOT NULL,
      n INTEGER NOT NULL,
      PRIMARY KEY (type, value, n)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE entry_federates (
      trust_domain TEXT NOT NULL,
      n INTEGER NOT NULL,
      PRIMARY KEY (trust_domain, n)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE nodes (
      n INTEGER PRIMARY KEY,
      spiffe_id TEXT NOT NULL UNIQUE,
      attestation_type TEXT NOT NULL,
      serial TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      new_serial TEXT NOT NULL,
      new_expires_at INTEGER NOT NULL,
      selectors TEXT NOT NULL,
      selector_count INTEGER NOT NULL,
      banned INTEGER NOT NULL,
      can_reattest INTEGER NOT NULL,
      agent_version TEXT NOT NULL,
      key_hash TEXT NOT NULL,
      host_facts TEXT NOT NULL,
      attested_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX nodes_expiry ON nodes (expires_at);

    CREATE TABLE node_selectors (
      type TEXT NOT NULL,
      value TEXT NOT NULL,
      n INTEGER NOT NULL,
      PRIMARY KEY (type, value, n)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE join_tokens (
      hash TEXT NOT NULL PRIMARY KEY,
      expires_at INTEGER NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- A deleted bundle keeps its row with content NULL, so that its sequence never goes back.
    CREATE TABLE bundles (
      trust_domain TEXT NOT NULL PRIMARY KEY,
      content TEXT,
      sequence INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE authorities (
      n INTEGER PRIMARY KEY,
      set_name TEXT NOT NULL,
      kind TEXT NOT NULL,
      id TEXT NOT NULL,
      status TEXT NOT NULL,
      tainted INTEGER NOT NULL,
      key_name TEXT NOT NULL,
      chain TEXT NOT NULL,
      public_key TEXT NOT NULL,
      not_before INTEGER NOT NULL,
      not_after INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      UNIQUE (set_name, kind, id)
    ) STRICT;

    -- AUTOINCREMENT: a revision is never given out twice, also after all rows were pruned.
    CREATE TABLE changes (
      revision INTEGER PRIMARY KEY AUTOINCREMENT,
      subject TEXT NOT NULL,
      key TEXT NOT NULL,
      at_ms INTEGER NOT NULL
    ) STRICT;
  `,
};
