import type { Migration } from "../migrate.ts";

/**
 * Certificates that stand for one-time tokens, in a table of their own. Of those that lay among the tokens nobody has
 * written down which token it was: each is taken for the first of its own.
 */
export const renewableCertificates: Migration = {
  number: 16,
  name: "renewable certificates",
  sql: `
    CREATE TABLE renewable_certificates (
      id INTEGER PRIMARY KEY,
      hash TEXT NOT NULL UNIQUE,
      token_hash TEXT NOT NULL,
      entry_id TEXT NOT NULL,
      authority_id TEXT NOT NULL,
      serial TEXT NOT NULL,
      expires_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX renewable_certificates_token ON renewable_certificates (token_hash);
    CREATE INDEX renewable_certificates_expiry ON renewable_certificates (expires_at);
    INSERT INTO renewable_certificates (hash, token_hash, entry_id, authority_id, serial, expires_at)
      SELECT substr(hash, 13), substr(hash, 13), entry_id, '', '', expires_at
      FROM one_time_tokens WHERE hash LIKE 'certificate %' ORDER BY expires_at;
    DELETE FROM one_time_tokens WHERE hash LIKE 'certificate %';
  `,
};
