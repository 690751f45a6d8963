/**
 * What the kernel knows of the process behind a Unix socket. Linux only: other systems get an `unsupported` error from
 * each call.
 */
import { fail } from "../../base/errors.ts";
import { libc } from "../../base/libc.ts";

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
  /**
   * A pidfd of any process; the caller closes it. `undefined` where the kernel has no pidfd_open(2) or denies it.
   * @throws not_found when there is no such process; limited when out of descriptors; unsupported
   */
  openPidfd(pid: number): number | undefined;
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

function load(): Native {
  const c = libc();
  if (c === undefined) return unsupported();
  const getsockopt = c.func(
    "int getsockopt(int fd, int level, int name, void *value, void *length)",
  );
  const poll = c.func("int poll(void *fds, unsigned long count, int timeout)");
  const flock = c.func("int flock(int fd, int operation)");
  // The C library has a function of its own for it only since glibc 2.36.
  const syscall = c.func("long syscall(long number, long pid, long flags)");
  // Reused: a call is over before the next one starts, and there are several for each connection.
  const value = Buffer.alloc(12);
  const length = new Uint32Array(1);
  const onePollFd = Buffer.alloc(POLLFD_BYTES);
  return {
    peerCredentials(fd) {
      length[0] = 12;
      if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) {
        throw fail("unavailable", `the kernel named no peer of the socket (errno ${c.errno()})`);
      }
      return {
        pid: value.readInt32LE(0),
        uid: value.readUInt32LE(4),
        gid: value.readUInt32LE(8),
      };
    },
    peerPidfd(fd) {
      length[0] = 4;
      if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, value, length) === 0) {
        return value.readInt32LE(0);
      }
      const errno = c.errno();
      if (errno === ENOPROTOOPT) return undefined;
      if (errno === EMFILE || errno === ENFILE) {
        throw fail(
          "limited",
          "no file descriptor is left for a caller; raise the limit (ulimit -n)",
        );
      }
      throw fail("denied", `the calling process has ended (errno ${errno})`);
    },
    openPidfd(pid) {
      const fd = syscall(SYS_PIDFD_OPEN, pid, 0);
      if (fd >= 0) return fd;
      const errno = c.errno();
      // EINVAL: a thread, which is no process.
      if (errno === ESRCH || errno === EINVAL)
        throw fail("not_found", `there is no process ${pid}`);
      if (errno === EMFILE || errno === ENFILE) {
        throw fail(
          "limited",
          "no file descriptor is left for a process; raise the limit (ulimit -n)",
        );
      }
      return undefined;
    },
    ended(pidfds) {
      const fds = pidfds.length === 1 ? onePollFd : Buffer.alloc(POLLFD_BYTES * pidfds.length);
      pidfds.forEach((fd, i) => {
        fds.writeInt32LE(fd, POLLFD_BYTES * i);
        fds.writeInt32LE(POLLIN, POLLFD_BYTES * i + 4);
      });
      if (poll(fds, pidfds.length, 0) < 0) {
        const errno = c.errno();
        if (errno === EINTR) return this.ended(pidfds);
        throw fail("unavailable", `callers could not be polled (errno ${errno})`);
      }
      // Any event counts, POLLNVAL too: a descriptor that is not ours proves nothing.
      return pidfds.map((_, i) => fds.readInt16LE(POLLFD_BYTES * i + 6) !== 0);
    },
    tryLock(fd) {
      if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
      const errno = c.errno();
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
    openPidfd: refuse,
    ended: refuse,
    // Development only: without flock nothing keeps a second agent off the folder.
    tryLock: () => true,
  };
}

/** asm-generic/socket.h: the same on x86-64 and arm64. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;
/** The same on every architecture. */
const SYS_PIDFD_OPEN = 434;
/** struct pollfd: descriptor, two bytes of events asked for, two of those that came. */
const POLLFD_BYTES = 8;
const POLLIN = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const ESRCH = 3;
const EINTR = 4;
const EWOULDBLOCK = 11;
const EINVAL = 22;
const ENFILE = 23;
const EMFILE = 24;
const ENOPROTOOPT = 92;
