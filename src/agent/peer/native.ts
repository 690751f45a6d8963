/**
 * The few system calls that Node does not offer, through koffi; loaded on first use, so that nothing pays for it that
 * does not serve a Unix socket. Linux only: other systems get an `unsupported` error from each call.
 */
import { createRequire } from "node:module";
import { fail } from "../../base/errors.ts";

/** What the kernel noted about the other end at `connect` (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  /** 0 = the process lives in a PID namespace that this one cannot see. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Native {
  /** @throws unavailable, unsupported */
  peerCredentials(fd: number): PeerCredentials;
  /**
   * A pidfd of the process that connected; the caller closes it. `undefined` where the kernel has no SO_PEERPIDFD
   * (before Linux 6.5).
   * @throws denied when the process has ended already; limited when out of descriptors; unsupported
   */
  peerPidfd(fd: number): number | undefined;
  /** For each pidfd whether its process has ended: one call for all of them. */
  ended(pidfds: readonly number[]): boolean[];
  /** Takes an exclusive advisory lock (flock(2)) without waiting. @returns false when another holds it */
  tryLock(fd: number): boolean;
}

export function native(): Native {
  loaded ??= load();
  return loaded;
}

let loaded: Native | undefined;

/** The part of koffi that is used here. */
interface Koffi {
  load(path: null): { func(definition: string): (...args: unknown[]) => number };
  errno(): number;
}

function load(): Native {
  if (process.platform !== "linux") return unsupported();
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const libc = koffi.load(null);
  const getsockopt = libc.func(
    "int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)",
  );
  const poll = libc.func("int poll(_Inout_ uint8_t *fds, unsigned long count, int timeout)");
  const flock = libc.func("int flock(int fd, int operation)");
  return {
    peerCredentials(fd) {
      const value = Buffer.alloc(12);
      if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, new Uint32Array([12])) !== 0) {
        throw fail(
          "unavailable",
          `the kernel named no peer of the socket (errno ${koffi.errno()})`,
        );
      }
      return {
        pid: value.readInt32LE(0),
        uid: value.readUInt32LE(4),
        gid: value.readUInt32LE(8),
      };
    },
    peerPidfd(fd) {
      const value = Buffer.alloc(4);
      if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, value, new Uint32Array([4])) === 0) {
        return value.readInt32LE(0);
      }
      const errno = koffi.errno();
      if (errno === ENOPROTOOPT) return undefined;
      if (errno === EMFILE || errno === ENFILE) {
        throw fail(
          "limited",
          "no file descriptor is left for a caller; raise the limit (ulimit -n)",
        );
      }
      throw fail("denied", `the calling process has ended (errno ${errno})`);
    },
    ended(pidfds) {
      const fds = Buffer.alloc(8 * pidfds.length);
      pidfds.forEach((fd, i) => {
        fds.writeInt32LE(fd, 8 * i);
        fds.writeInt16LE(POLLIN, 8 * i + 4);
      });
      if (poll(fds, pidfds.length, 0) < 0) {
        const errno = koffi.errno();
        if (errno === EINTR) return this.ended(pidfds);
        throw fail("unavailable", `callers could not be polled (errno ${errno})`);
      }
      // Any event counts, POLLNVAL too: a descriptor that is not ours proves nothing.
      return pidfds.map((_, i) => fds.readInt16LE(8 * i + 6) !== 0);
    },
    tryLock(fd) {
      if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
      const errno = koffi.errno();
      if (errno === EWOULDBLOCK) return false;
      throw fail("unavailable", `the lock could not be taken (errno ${errno})`);
    },
  };
}

function unsupported(): Native {
  const refuse = (): never => {
    throw fail(
      "unsupported",
      `callers cannot be told apart on ${process.platform}; run the agent on Linux`,
    );
  };
  return {
    peerCredentials: refuse,
    peerPidfd: refuse,
    ended: refuse,
    // Development only: without flock nothing keeps a second agent off the folder.
    tryLock: () => true,
  };
}

/** asm-generic/socket.h: the same on x86-64 and arm64. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;
const POLLIN = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EINTR = 4;
const EWOULDBLOCK = 11;
const ENFILE = 23;
const EMFILE = 24;
const ENOPROTOOPT = 92;
