import type { Migration } from "../migrate.ts";

/** Chains of an authority to other roots. */
export const alternateChains: Migration = {
  number: 19,
  name: "alternate chains",
  sql: `ALTER TABLE authorities ADD COLUMN alternates TEXT NOT NULL DEFAULT '[]';`,
};
