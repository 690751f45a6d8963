import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fail } from "../../../base/errors.ts";
import { fromSqliteError, SQLITE_BUSY, sqliteCode } from "./sqlite-error.ts";

/**
 * Keeps a second server off the folder: an empty database beside the real one, held under an exclusive lock.
 * The kernel drops the lock with the process, however it ends. Nothing else in the process may open the file
 * (closing any descriptor of it would drop a POSIX lock).
 * @throws conflict when another server holds it
 */
export function lockFolder(databasePath: string): Disposable {
  const folder = dirname(databasePath);
  const path = join(folder, "datastore.lock");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (thrown) {
    database?.close();
    if (sqliteCode(thrown) === SQLITE_BUSY) {
      throw fail(
        "conflict",
        `the data folder '${folder}' is in use by another server; stop that one or give this one a folder of its own`,
        { cause: thrown },
      );
    }
    throw fromSqliteError(thrown, path);
  }
  const held = database;
  return { [Symbol.dispose]: () => held.close() };
}
