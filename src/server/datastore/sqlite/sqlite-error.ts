import { AssayError, fail } from "../../../base/errors.ts";

/** The primary result code of a node:sqlite error (sqlite.org/rescode.html), `undefined` for any other value. */
export function sqliteCode(thrown: unknown): number | undefined {
  const code = extendedCode(thrown);
  return code === undefined ? undefined : code & 0xff;
}

/** What an error of the database means to the rest of the server; anything else is handed back as it is. */
export function fromSqliteError(thrown: unknown, path: string): unknown {
  if (thrown instanceof AssayError) return thrown;
  const cause = { cause: thrown };
  const extended = extendedCode(thrown);
  if (extended === CONSTRAINT_UNIQUE || extended === CONSTRAINT_PRIMARY_KEY) {
    return fail("exists", "a row with this key is already there", cause);
  }
  switch (sqliteCode(thrown)) {
    case undefined:
      return thrown;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(path, thrown);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail("unavailable", `the database '${path}' is locked by another process`, cause);
    case SQLITE_FULL:
      return fail("unavailable", `the disk that holds '${path}' is full`, cause);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return fail(
        "unavailable",
        `the database '${path}' cannot be read or written; check the disk and the owner of the folder`,
        cause,
      );
    default:
      return fail("internal", "a database statement failed", cause);
  }
}

/** `internal`: once the server runs, peers get an id only; the log has the sentence. */
export function damaged(path: string, cause: unknown): AssayError {
  return fail(
    "internal",
    `the database '${path}' is damaged; stop the server, move the file away together with its -wal and -shm files and restore a backup`,
    { cause },
  );
}

function extendedCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("errcode" in thrown)) return undefined;
  return typeof thrown.errcode === "number" ? thrown.errcode : undefined;
}

export const SQLITE_BUSY = 5;

const SQLITE_PERM = 3;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
const CONSTRAINT_PRIMARY_KEY = 1555;
const CONSTRAINT_UNIQUE = 2067;
