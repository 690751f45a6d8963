import type { DatabaseSync } from "node:sqlite";
import { fail } from "../../../base/errors.ts";
import { readInteger } from "./row.ts";

/** One forward step of the schema; `number` counts from 1 without gaps. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/**
 * The schema version of the database; changes nothing in it. The version stands in `user_version`, the mark that the
 * file is ours in `application_id`.
 * @throws precondition when the database is newer than this program, or another program's
 */
export function checkSchema(
  database: DatabaseSync,
  migrations: readonly Migration[],
  path: string,
): number {
  const version = readInteger(database.prepare("PRAGMA user_version").get(), "user_version");
  const owner = readInteger(database.prepare("PRAGMA application_id").get(), "application_id");
  const tables = readInteger(
    database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get(),
    "tables",
  );
  if (owner !== APPLICATION_ID && (owner !== 0 || version !== 0 || tables !== 0)) {
    throw fail(
      "precondition",
      `'${path}' is a database of another program; give this one a folder of its own`,
    );
  }
  if (version > migrations.length) {
    throw fail(
      "precondition",
      `database schema ${version} is newer than this program knows (${migrations.length}); run the newer version or restore a backup made before the upgrade`,
    );
  }
  return version;
}

/** Applies the migrations after `version`, each in a transaction of its own. */
export function migrate(
  database: DatabaseSync,
  migrations: readonly Migration[],
  version: number,
): void {
  for (const migration of migrations.slice(version)) apply(database, migration);
}

function apply(database: DatabaseSync, migration: Migration): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(migration.sql);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${migration.number}`);
    database.exec("COMMIT");
  } catch (thrown) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw thrown;
  }
}

/** "ASSY" in ASCII. */
const APPLICATION_ID = 0x41535359;
