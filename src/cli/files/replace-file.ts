import { randomUUID } from "node:crypto";
import { access, constants, lstat, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type AssayError, fail, hasCode } from "../../base/errors.ts";

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

/**
 * `checkWritable` for a secret that can be had but once: what has the name already may be another one.
 * @throws exists too
 */
export async function checkNew(path: string, option: string): Promise<void> {
  await checkWritable(path, option);
  // What is a link to nowhere is somebody's, too.
  if ((await lstat(path).catch(() => undefined)) !== undefined) throw isThere(path, option);
}

/** Writes beside the file, syncs, renames. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  await write(path, content, mode, (temporary) => rename(temporary, path));
}

/** As `replaceFile`, but for a name that nothing has. @throws exists */
export async function writeNewFile(
  path: string,
  content: string | Uint8Array,
  { mode, option }: { readonly mode: number; readonly option: string },
): Promise<void> {
  await write(path, content, mode, async (temporary) => {
    // The name is taken first: not every file system has hard links, and renaming replaces what is there.
    const taken = await open(path, "wx", mode).catch((cause: unknown) => {
      throw hasCode(cause, "EEXIST") ? isThere(path, option) : cause;
    });
    await taken.close();
    await rename(temporary, path);
  });
}

async function write(
  path: string,
  content: string | Uint8Array,
  mode: number,
  put: (temporary: string) => Promise<void>,
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
    await put(temporary);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function isThere(path: string, option: string): AssayError {
  return fail(
    "exists",
    `${option}: ${path} is there already and may be another key; name another file, or say --overwrite`,
  );
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
