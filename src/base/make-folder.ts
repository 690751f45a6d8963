import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fail, hasCode } from "./errors.ts";

/**
 * Makes a folder and those above it, each with `mode` (less the umask). Unlike Node's own recursive mkdir it ends on a
 * file system that has no place for folders: there (/proc, for one) that call never returns.
 * @returns the topmost folder that was made; `undefined` when all were there
 * @throws invalid where no folder can be; else the system's error (EACCES, ENOTDIR, EEXIST when it is a file, ...)
 */
export function makeFolder(path: string, mode: number): string | undefined {
  const missing: string[] = [];
  for (let folder = resolve(path); !isFolder(folder); folder = dirname(folder))
    missing.unshift(folder);
  let made: string | undefined;
  for (const folder of missing) {
    if (makeOne(folder, mode)) made ??= folder;
  }
  return made;
}

/** @returns false when another process was faster */
function makeOne(folder: string, mode: number): boolean {
  try {
    mkdirSync(folder, mode);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST") && isFolder(folder)) return false;
    if (!hasCode(error, "ENOENT")) throw error;
    const above = dirname(folder);
    throw fail("invalid", `no folder can be made in ${above}; choose another place`, {
      cause: error,
    });
  }
}

/** @throws the system's error when it cannot be told, or the path leads to something else */
function isFolder(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (found.isDirectory()) return true;
  throw Object.assign(new Error(`${path} is not a folder`), { code: "ENOTDIR" });
}
