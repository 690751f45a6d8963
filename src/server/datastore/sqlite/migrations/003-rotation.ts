import type { Migration } from "../migrate.ts";

/** How often an operator had an agent replace all its SVIDs. */
export const rotation: Migration = {
  number: 3,
  name: "rotation",
  sql: "ALTER TABLE nodes ADD COLUMN rotation INTEGER NOT NULL DEFAULT 0",
};
