import type { Migration } from "../migrate.ts";

/** Claims of an entry's own in its JWT-SVIDs; an empty text is none. */
export const jwtClaims: Migration = {
  number: 8,
  name: "jwt claims",
  sql: `ALTER TABLE entries ADD COLUMN jwt_claims TEXT NOT NULL DEFAULT '';`,
};
