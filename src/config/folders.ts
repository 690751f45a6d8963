import { lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "../base/errors.ts";

/** Makes a folder for private data, 0700, with its parents. @throws denied with the next step */
export function makePrivateFolder(path: string, option: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw folderError(error, path, option);
  }
  checkOwner(path, option);
}

/**
 * Makes the folder that a socket will lie in. A folder that somebody named is made open to all, since workloads must
 * reach the socket in it; the default one of a user lies below `runtime` and is that user's alone.
 */
export function makeSocketFolder(socket: string, runtime: string, option: string): void {
  const folder = dirname(socket);
  const mode = folder.startsWith(runtime) && !runtime.startsWith("/run/assay") ? 0o700 : 0o755;
  if (mode === 0o700) makePrivateFolder(runtime, option);
  try {
    mkdirSync(folder, { recursive: true, mode });
  } catch (error) {
    throw folderError(error, folder, option);
  }
}

/** @throws denied when the folder is a link, another user's, or open to others' writing */
function checkOwner(path: string, option: string): void {
  const uid = process.getuid?.() ?? 0;
  const link = lstatSync(path);
  // Our own link is as good as what it leads to; anybody else's is refused as no folder.
  const facts = link.isSymbolicLink() && link.uid === uid ? statSync(path) : link;
  if (!facts.isDirectory()) throw fail("denied", `${option}: ${path} is not a folder`);
  if (uid !== 0 && facts.uid !== uid) {
    throw fail(
      "denied",
      `${option}: ${path} belongs to another user (uid ${facts.uid}); choose another folder`,
    );
  }
  if ((facts.mode & 0o022) !== 0) {
    throw fail(
      "denied",
      `${option}: others may write to ${path}; run 'chmod go-w ${path}' or choose another folder`,
    );
  }
}

function folderError(error: unknown, path: string, option: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return fail("denied", `no permission to make ${path}; give ${option} a place you may write to`);
  }
  if (code === "ENOTDIR" || code === "EEXIST") {
    return fail(
      "invalid",
      `${option}: ${path} is not a folder; remove the file or choose another place`,
    );
  }
  return error;
}
