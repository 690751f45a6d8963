import type { Migration } from "../migrate.ts";

/** The CSR of an order whose certificate is being made while its client waits. */
export const acmeProcessing: Migration = {
  number: 15,
  name: "acme processing",
  sql: `
    ALTER TABLE acme_orders ADD COLUMN csr TEXT NOT NULL DEFAULT '';
    CREATE INDEX acme_orders_processing ON acme_orders (number) WHERE csr <> '';
  `,
};
