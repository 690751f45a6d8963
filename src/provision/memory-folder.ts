import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  statSync,
  statfsSync,
  symlinkSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { libc } from "../base/libc.ts";
import { makeFolder } from "../base/make-folder.ts";

/** A folder for a key, and why that is a place for one. */
export interface MemoryFolder {
  /** The folder itself, no link. */
  readonly path: string;
  /**
   * `memory`: it lies in memory already. `mounted`: a file system of its own was mounted there. `elsewhere`: another
   * folder in memory; `isLinked` says whether the wanted path leads to it. `disk`: somebody allowed it.
   */
  readonly how: "memory" | "mounted" | "elsewhere" | "disk";
  readonly isLinked?: boolean;
}

export interface MemoryFolderParams {
  readonly dir: string;
  /** Where to look when nothing can be mounted. */
  readonly candidates: readonly string[];
  readonly mayUseDisk: boolean;
  /** Injected, since only root may. @returns false where it is not allowed */
  readonly mount?: (path: string) => boolean;
}

/**
 * Finds a place for a key that no disk sees: the folder itself where it lies on tmpfs or ramfs, a tmpfs mounted on it
 * where this process may, or a folder of its own on another tmpfs, to which the wanted path is made a link.
 * @throws denied when there is none, and the disk was not allowed
 */
export function memoryFolder({
  dir,
  candidates,
  mayUseDisk,
  mount = mountTmpfs,
}: MemoryFolderParams): MemoryFolder {
  const wanted = resolve(dir);
  const name = `assay-identity-${createHash("sha256").update(wanted).digest("hex").slice(0, 16)}`;
  const isMade = madeOrThere(wanted);
  if (isMade && isInMemory(wanted)) return ownFolder(realpathSync(wanted), name);
  if (isMade && isEmpty(wanted) && mount(wanted)) return { path: wanted, how: "mounted" };
  for (const candidate of candidates) {
    if (!isInMemory(candidate) || !isWritable(candidate)) continue;
    const path = join(realpathSync(candidate), name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    return { path, how: "elsewhere", isLinked: link(wanted, path) };
  }
  if (mayUseDisk && isMade) return { path: wanted, how: "disk" };
  throw fail(
    "denied",
    `${wanted} does not lie in memory, nothing may be mounted there, and no other folder in memory is at hand; start the container with '--tmpfs ${wanted}', or allow the disk with --allow-disk`,
  );
}

/** `docker run --tmpfs DIR` makes a folder that everybody may write to: it is closed to others, or one in it is ours. */
function ownFolder(path: string, name: string): MemoryFolder {
  const { uid, mode } = statSync(path);
  if ((mode & 0o022) === 0) return { path, how: "memory" };
  if (uid === process.geteuid?.() && isEmpty(path)) {
    chmodSync(path, 0o755);
    return { path, how: "memory" };
  }
  const inner = join(path, name);
  mkdirSync(inner, { recursive: true, mode: 0o755 });
  return { path: inner, how: "elsewhere", isLinked: false };
}

/** Folders of common systems that lie in memory. */
export function memoryCandidates(env: Readonly<Record<string, string | undefined>>): string[] {
  return [env["XDG_RUNTIME_DIR"] ?? "", "/dev/shm", "/run"].filter((path) => path.startsWith("/"));
}

/** Whether what lies there lies in memory, by its file system (statfs(2)). */
export function isInMemory(path: string): boolean {
  try {
    return IN_MEMORY.has(statfsSync(path).type);
  } catch {
    // Nothing is there.
    return false;
  }
}

/** mount(2); false where it is not allowed, or there is none. */
export function mountTmpfs(path: string): boolean {
  const mount = libc()?.func(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  );
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  return mount?.("tmpfs", path, "tmpfs", flags, `size=${TMPFS_SIZE},mode=0755`) === 0;
}

function madeOrThere(path: string): boolean {
  try {
    makeFolder(path, 0o755);
    return true;
  } catch {
    // Read-only, not ours, or a link that leads nowhere: another place may do.
    return false;
  }
}

function isEmpty(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch {
    // It cannot be read: what is in it must not be covered.
    return false;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    // Read-only, or another user's.
    return false;
  }
}

/** @returns false when something else stands there, or nothing may be put there */
function link(wanted: string, path: string): boolean {
  try {
    const found = lstatSync(wanted, { throwIfNoEntry: false });
    if (found?.isSymbolicLink() === true) return readlinkSync(wanted) === path;
    if (found !== undefined) rmdirSync(wanted);
    symlinkSync(path, wanted);
    return true;
  } catch {
    // Not empty, read-only, or not ours: whoever reads the files is told where they are.
    return false;
  }
}

/** statfs(2): TMPFS_MAGIC, RAMFS_MAGIC. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
/** mount(2). */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
/** As Pollendina's. */
const TMPFS_SIZE = "1m";
