import type { Migration } from "../migrate.ts";

/** The roots of authorities that others signed. */
export const authorityRoots: Migration = {
  number: 9,
  name: "authority-roots",
  sql: "ALTER TABLE authorities ADD COLUMN roots TEXT NOT NULL DEFAULT '[]'",
};
