import { chmod, readdir, stat } from "node:fs/promises";
import { AssayError, fail } from "../../base/errors.ts";
import { makeFolder } from "../../base/make-folder.ts";

/** Name of the embedded database in the data folder. */
export const DATABASE_FILE = "datastore.db";
/** Name of the audit log's folder in the data folder. */
export const AUDIT_FOLDER = "audit";

/**
 * Makes the data folder, or takes it into use, so that nobody else can look into it. A folder that is open to others
 * is closed only when it is ours or empty: a wrong path must not lock others out of theirs.
 * @throws precondition when it cannot be used
 */
export async function openDataFolder(path: string): Promise<void> {
  try {
    makeFolder(path, 0o700);
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) return;
    const files = await readdir(path);
    if (files.length > 0 && !files.includes(DATABASE_FILE)) {
      throw fail(
        "precondition",
        `${path} is open to others and holds their files; choose a folder of the server's own`,
      );
    }
    await chmod(path, 0o700);
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail("precondition", `${path} cannot be used: ${why}`, { cause });
  }
}
