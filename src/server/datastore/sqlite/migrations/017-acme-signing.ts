import type { Migration } from "../migrate.ts";

/** What the certificate of an order is to be, written down before it is signed. */
export const acmeSigning: Migration = {
  number: 17,
  name: "acme signing",
  sql: `ALTER TABLE acme_orders ADD COLUMN signing TEXT NOT NULL DEFAULT '';`,
};
