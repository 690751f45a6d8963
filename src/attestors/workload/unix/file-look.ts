import { type BigIntStats, closeSync, openSync, readlinkSync, stat, statfs } from "node:fs";
import { open } from "node:fs/promises";
import { release } from "node:os";
import { type Libc, libc } from "../../../base/libc.ts";

/** What tells one content of one file from all others, without reading it. */
export interface FileLook {
  /** Device, inode, change time and size. */
  readonly key: string;
  readonly size: number;
}

/** One that was made at once, and the words of `struct statx` that it was made of. */
export interface LookedNow extends FileLook {
  readonly words: Uint32Array;
}

/**
 * Looks at what a path leads to as the file system has it now, in the thread pool: a file system that hangs holds one
 * of its threads. Rejects with the system's error.
 */
export function look(path: string): Promise<FileLook> {
  return new Promise((resolve, reject) => {
    stat(path, { bigint: true }, (error, stats) => {
      if (error === null) resolve(lookOf(stats));
      else reject(error);
    });
  });
}

/** What a link of the kernel's leads to, told by one and the same file. */
export interface NamedLook<Look extends FileLook> {
  readonly path: string;
  readonly look: Look;
}

/**
 * As `look`, with the path that the link reads as: of two readings of /proc/PID/exe the second may be of another program.
 * @param link of the kernel's (proc_pid_exe(5)), which leads to its file whatever is at that path
 */
export async function lookNamed(link: string): Promise<NamedLook<FileLook>> {
  await using file = await open(link, O_PATH);
  const stats = await file.stat({ bigint: true });
  return { path: readlinkSync(ownLink(file.fd)), look: lookOf(stats) };
}

/** As `lookNow`, in the same way. */
export function lookNamedNow(link: string): NamedLook<LookedNow> | undefined {
  let fd: number;
  try {
    fd = openSync(link, O_PATH);
  } catch {
    return undefined; // `lookNamed` tells why
  }
  try {
    const found = lookNow(ownLink(fd));
    return found && { path: readlinkSync(ownLink(fd)), look: found };
  } finally {
    closeSync(fd);
  }
}

function ownLink(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

export function lookOf({ dev, ino, ctimeNs, size }: BigIntStats): FileLook {
  return {
    key: `${major(dev)}:${minor(dev)}:${ino}:${ctimeNs / NS}.${ctimeNs % NS}:${size}`,
    size: Number(size),
  };
}

/**
 * The same from what the kernel holds, at once and without asking the file system (AT_STATX_DONT_SYNC, statx(2)).
 * `undefined` when that cannot be had: then `look` says why. To be called for paths that led to a local file system
 * when last seen: some network file systems ask their server whatever the flag says.
 */
export function lookNow(path: string): LookedNow | undefined {
  return (atOnce ??= openLooker()).look(path);
}

/**
 * Whether what a path leads to lies on a file system of this machine, which answers from memory for a file that runs.
 * Asked in the thread pool; rejects with the system's error.
 */
export function isLocalFile(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    statfs(path, (error, stats) => {
      if (error === null) resolve(LOCAL.has(stats.type >>> 0));
      else reject(error);
    });
  });
}

/**
 * Whether `lookNow` would find at a path what it found when it made `look`: a third of its cost, as nothing is put into
 * words. False when it would find nothing.
 */
export function isStillThere(path: string, { words }: LookedNow): boolean {
  return (atOnce ??= openLooker()).matches(path, words);
}

interface Looker {
  look(path: string): LookedNow | undefined;
  matches(path: string, words: Uint32Array): boolean;
}

let atOnce: Looker | undefined;

function openLooker(): Looker {
  // Before Linux 4.20 FUSE, which any user may mount, asked its process all the same.
  const c = Number.parseInt(release(), 10) >= 5 ? libc() : undefined;
  return c === undefined ? { look: () => undefined, matches: () => false } : withStatx(c);
}

function withStatx(c: Libc): Looker {
  const statx = c.func(
    "int statx(int dirfd, const char *path, int flags, unsigned int mask, void *buffer)",
  );
  const buffer = new ArrayBuffer(256);
  const bytes = new Uint8Array(buffer);
  // struct statx in words of 8 and 4 bytes, in the machine's own order.
  const u64 = new BigUint64Array(buffer);
  const i64 = new BigInt64Array(buffer);
  const u32 = new Uint32Array(buffer);
  const found = (path: string): boolean =>
    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, WANTED, bytes) === 0 &&
    ((u32[STX_MASK] ?? 0) & WANTED) === WANTED;
  return {
    look(path) {
      if (!found(path)) return undefined;
      const size = u64[STX_SIZE];
      return {
        key: `${u32[STX_DEV_MAJOR]}:${u32[STX_DEV_MINOR]}:${u64[STX_INO]}:${i64[STX_CTIME_SEC]}.${u32[STX_CTIME_NSEC]}:${size}`,
        size: Number(size),
        words: Uint32Array.from(TELLING, (at) => u32[at] ?? 0),
      };
    },
    matches(path, words) {
      if (!found(path)) return false;
      for (let i = 0; i < TELLING.length; i += 1) {
        if (u32[TELLING[i] ?? 0] !== words[i]) return false;
      }
      return true;
    },
  };
}

/** makedev(3) of glibc and musl, backwards. */
function major(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
}

function minor(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
}

const NS = 1_000_000_000n;
/** open(2), asm-generic/fcntl.h: the same on x86-64 and arm64. The file system is asked nothing, and nothing can be read by it. */
const O_PATH = 0o10000000;
const AT_FDCWD = -100;
const AT_STATX_DONT_SYNC = 0x4000;
/** STATX_CTIME, STATX_INO and STATX_SIZE; the device always comes. */
const WANTED = 0x80 | 0x100 | 0x200;
const STX_MASK = 0;
const STX_INO = 0x20 / 8;
const STX_SIZE = 0x28 / 8;
const STX_CTIME_SEC = 0x60 / 8;
const STX_CTIME_NSEC = 0x68 / 4;
const STX_DEV_MAJOR = 0x88 / 4;
const STX_DEV_MINOR = 0x8c / 4;
/** Where the words of 4 bytes stand that a look is made of: those of 8 bytes are two. */
const TELLING: readonly number[] = [
  ...[STX_INO, STX_SIZE, STX_CTIME_SEC].flatMap((at) => [2 * at, 2 * at + 1]),
  STX_CTIME_NSEC,
  STX_DEV_MAJOR,
  STX_DEV_MINOR,
];

/** File system types of statfs(2) that hold their inodes in this machine's memory while they are in use. */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0xca451a4e, // bcachefs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x73717368, // SquashFS
  0xe0f5e1e2, // EROFS
  // What lies below an overlay gets the flag handed on.
  0x794c7630, // overlayfs
]);
