import { closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { AssayError, fail } from "../base/errors.ts";
import { libc } from "../base/libc.ts";
import { makeFolder } from "../base/make-folder.ts";

/**
 * A folder held open, so that what is done in it happens in this very folder, whatever is put in its place meanwhile.
 * It is this process's own or root's, nobody else may write to it, and one process at a time holds it.
 */
export interface OpenedFolder extends Disposable {
  /** Leads to the folder itself. */
  readonly path: string;
  /** False when the name leads to another folder by now. */
  isCurrent(): boolean;
}

/**
 * Makes the folder (0755: what is secret in it has its own mode) and those above it when they are missing.
 * @throws invalid, denied, conflict, with the next step
 */
export function openFolder(dir: string): OpenedFolder {
  const path = resolve(dir);
  let fd: number;
  try {
    makeFolder(path, 0o755);
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw openError(error, path);
  }
  try {
    const { dev, ino, uid, mode } = fstatSync(fd);
    check(path, uid, mode);
    lock(path, fd);
    return {
      path: process.platform === "linux" ? `/proc/self/fd/${fd}` : path,
      isCurrent() {
        const now = lstatSync(path, { throwIfNoEntry: false });
        return now?.dev === dev && now.ino === ino;
      },
      [Symbol.dispose]: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function check(path: string, owner: number, mode: number): void {
  const uid = process.geteuid?.() ?? 0;
  if (owner !== uid && owner !== 0) {
    throw fail(
      "denied",
      `${path} belongs to another user (uid ${owner}), who could take the files away; name a folder in it that is yours, and give --owner`,
    );
  }
  if ((mode & OTHERS_WRITE) === 0) return;
  throw fail(
    "denied",
    `others may write to ${path}; run 'chmod go-w ${path}', or name a folder in it, which is then made`,
  );
}

/** flock(2): the kernel drops it with the process, however it ends. */
function lock(path: string, fd: number): void {
  flock ??= libc()?.func("int flock(int fd, int operation)");
  if (flock === undefined || flock(fd, LOCK_EX_NB) === 0) return;
  throw fail("conflict", `another process writes to ${path}; give each target a folder of its own`);
}

let flock: ((...args: unknown[]) => number) | undefined;

function openError(error: unknown, path: string): unknown {
  if (error instanceof AssayError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ELOOP":
    case "ENOTDIR":
    case "EEXIST":
      return fail("invalid", `${path} is a link or a file; name the folder itself`, {
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return fail(
        "denied",
        `no permission to make or open ${path}; name a folder you may write to`,
        {
          cause: error,
        },
      );
    default:
      return error;
  }
}

/** inode(7): group's and others' write bits. */
const OTHERS_WRITE = 0o022;
/** LOCK_EX | LOCK_NB. */
const LOCK_EX_NB = 2 | 4;
