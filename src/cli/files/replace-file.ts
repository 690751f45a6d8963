import { randomUUID } from "node:crypto";
import { access, constants, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fail } from "../../base/errors.ts";

/**
 * Before something is made that can be had but once, or is a secret: whether `replaceFile` has a chance.
 * @throws not_found, denied, invalid with the next step
 */
export async function checkWritable(path: string, option: string): Promise<void> {
  const folder = dirname(resolve(path));
  try {
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error(), { code: "ENOTDIR" });
    await access(folder, constants.W_OK | constants.X_OK);
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() === true) throw Object.assign(new Error(), { code: "EISDIR" });
  } catch (cause) {
    throw writeError(cause, path, option);
  }
}

/** Writes beside the file, syncs, renames. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function writeError(cause: unknown, path: string, option: string): unknown {
  const folder = dirname(resolve(path));
  const { code = "" } = cause as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return fail("not_found", `${option}: there is no folder ${folder}; make it first`, { cause });
    case "ENOTDIR":
      return fail("invalid", `${option}: ${folder} is not a folder`, { cause });
    case "EISDIR":
      return fail("invalid", `${option}: ${path} is a folder; name a file in it`, { cause });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return fail("denied", `${option}: no permission to write in ${folder}`, { cause });
    default:
      return cause;
  }
}
