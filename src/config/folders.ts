import { lstatSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { AssayError, fail } from "../base/errors.ts";
import { makeFolder } from "../base/make-folder.ts";

/** Makes a folder for private data, 0700, with its parents. @throws denied with the next step */
export function makePrivateFolder(path: string, option: string): void {
  try {
    makeFolder(path, 0o700);
  } catch (error) {
    throw folderError(error, path, option);
  }
  checkOwner(path, option);
}

/**
 * Makes the folder that a socket will lie in. A folder that somebody named is made open to all, since workloads must
 * reach the socket in it; the default one of a user lies below `runtime` and is that user's alone.
 * @throws denied with the next step, also when others could replace the socket
 */
export function makeSocketFolder(socket: string, runtime: string, option: string): void {
  const folder = dirname(socket);
  const mode = folder.startsWith(runtime) && !runtime.startsWith("/run/assay") ? 0o700 : 0o755;
  if (mode === 0o700) makePrivateFolder(runtime, option);
  try {
    makeFolder(folder, mode);
  } catch (error) {
    throw folderError(error, folder, option);
  }
  checkNotShared(folder, option);
}

/** Makes the folder of an administrator's socket, 0700. @throws denied when others could replace the socket */
export function makeAdminFolder(socket: string, option: string): void {
  const folder = dirname(socket);
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    throw folderError(error, folder, option);
  }
  checkNotShared(folder, option);
}

/** Whoever may rename in the folder could put a socket of their own in the place of ours. @throws denied */
function checkNotShared(folder: string, option: string): void {
  const { mode, gid } = statSync(folder);
  if ((mode & STICKY) !== 0) return;
  // Whoever is in root's group may do more than that.
  const byGroup = (mode & GROUP_WRITE) !== 0 && gid !== 0;
  const byOthers = (mode & OTHERS_WRITE) !== 0;
  if (!byGroup && !byOthers) return;
  const who = byOthers ? "others" : `members of group ${gid}`;
  throw fail(
    "denied",
    `${option}: ${who} may replace what lies in ${folder}; run 'chmod ${byOthers ? "go" : "g"}-w ${folder}' or choose another folder`,
  );
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
  if (error instanceof AssayError) return fail(error.kind, `${option}: ${error.message}`);
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

/** inode(7). */
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
