import type { Migration } from "../migrate.ts";

/** Accounts, orders, authorizations and certificates of the ACME front end. */
export const acme: Migration = {
  number: 11,
  name: "acme",
  sql: `
    CREATE TABLE acme_accounts (
      id TEXT NOT NULL PRIMARY KEY,
      key_id TEXT NOT NULL UNIQUE,
      jwk TEXT NOT NULL,
      status TEXT NOT NULL,
      contact TEXT NOT NULL,
      terms_agreed INTEGER NOT NULL,
      external_account_id TEXT NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE acme_orders (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      account_id TEXT NOT NULL,
      status TEXT NOT NULL,
      identifiers TEXT NOT NULL,
      authorizations TEXT NOT NULL,
      profile TEXT NOT NULL,
      not_before INTEGER NOT NULL,
      not_after INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      error TEXT NOT NULL,
      certificate_id TEXT NOT NULL,
      replaces TEXT NOT NULL
    ) STRICT;
    CREATE INDEX acme_orders_account ON acme_orders (account_id, number);
    CREATE INDEX acme_orders_end ON acme_orders (expires_at);
    CREATE TABLE acme_authorizations (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      account_id TEXT NOT NULL,
      type TEXT NOT NULL,
      value TEXT NOT NULL,
      wildcard INTEGER NOT NULL,
      status TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      processing INTEGER NOT NULL,
      challenges TEXT NOT NULL
    ) STRICT;
    CREATE INDEX acme_authorizations_identifier
      ON acme_authorizations (account_id, status, type, value, wildcard, expires_at);
    CREATE INDEX acme_authorizations_processing ON acme_authorizations (number) WHERE processing = 1;
    CREATE INDEX acme_authorizations_end ON acme_authorizations (expires_at);
    CREATE TABLE acme_certificates (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      account_id TEXT NOT NULL,
      order_id TEXT NOT NULL,
      serial TEXT NOT NULL,
      authority_id TEXT NOT NULL,
      spiffe_id TEXT NOT NULL,
      chain TEXT NOT NULL,
      alternates TEXT NOT NULL,
      identifiers TEXT NOT NULL,
      not_before INTEGER NOT NULL,
      not_after INTEGER NOT NULL,
      replaced_by TEXT NOT NULL,
      revoked_at INTEGER NOT NULL,
      UNIQUE (authority_id, serial)
    ) STRICT;
    CREATE INDEX acme_certificates_end ON acme_certificates (not_after);
  `,
};
