import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import type { ProcessFacts } from "../../attestors/contract.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import { type Native, type PeerCredentials, native } from "./native.ts";
import { type ProcessIds, StatusFile, readStartTime } from "./proc.ts";

/**
 * The process that connected, held for the life of its connection.
 *
 * With a pidfd (SO_PEERPIDFD, Linux 6.5) a recycled PID is never mistaken for it. Nothing pins /proc/PID by its path,
 * so whoever reads there calls `read` again afterwards and throws the answer away when that fails. A socket that was
 * handed on speaks for the process that connected.
 */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /**
   * The facts as they are now: the same object as before when nothing has changed.
   * @throws denied when the process has ended, changed its user or group since it connected (a set-user-ID program
   * that inherited the socket must not answer for the one who opened it), or has no PID here
   */
  read(): ProcessFacts;
  alive(): boolean;
  /** Closes what is held; safe to call twice. */
  release(): void;
  /** The pidfd, for a common poll; `undefined` without one or once released. */
  readonly pidfd: number | undefined;
  /** The process is in a PID namespace that this one cannot see: only a token tells who it is. */
  readonly isForeign?: true;
}

export interface TrackPeerOptions {
  readonly native?: Native;
  readonly procDir?: string;
  /** `start-time` forces what older kernels get. */
  readonly proof?: "pidfd" | "start-time";
}

/**
 * Finds out who is at the other end of an accepted Unix socket. Never throws: a caller that cannot be told apart is
 * refused with its reason by `read`.
 */
export function trackPeer(socket: Socket, options: TrackPeerOptions = {}): Peer {
  try {
    return track(descriptorOf(socket), options);
  } catch (thrown) {
    return refusedPeer({ pid: 0, uid: -1, gid: -1 }, errorFrom(thrown));
  }
}

/**
 * A process by its PID, for those who may ask about others: held as a caller is, from this moment on.
 * @throws not_found when there is none or it has ended; limited; unsupported
 */
export function openPeer(pid: number, options: TrackPeerOptions = {}): Peer {
  const calls = options.native ?? native();
  const procDir = options.procDir ?? "/proc";
  const pidfd = options.proof === "start-time" ? undefined : calls.openPidfd(pid);
  try {
    using status = new StatusFile(procDir, pid);
    const { uid, gid } = status.read().ids;
    const peer =
      pidfd === undefined
        ? startTimePeer({ pid, uid, gid }, procDir)
        : pidfdPeer({ pid, uid, gid }, procDir, pidfd, calls);
    // What the status said counts only if the process that is held was the one that it spoke of.
    if (peer.alive()) return peer;
  } catch (thrown) {
    if (!isKind(thrown, "denied")) {
      if (pidfd !== undefined) closeSync(pidfd);
      throw thrown;
    }
  }
  if (pidfd !== undefined) closeSync(pidfd);
  throw fail("not_found", `there is no process ${pid}, or it has ended`);
}

function track(fd: number, options: TrackPeerOptions): Peer {
  const calls = options.native ?? native();
  const procDir = options.procDir ?? "/proc";
  const credentials = calls.peerCredentials(fd);
  if (credentials.pid <= 0) {
    return foreignPeer(credentials);
  }
  const pidfd = options.proof === "start-time" ? undefined : calls.peerPidfd(fd);
  return pidfd === undefined
    ? startTimePeer(credentials, procDir)
    : pidfdPeer(credentials, procDir, pidfd, calls);
}

/** node:net keeps the descriptor on its handle; there is no public way to it. */
function descriptorOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle?: { fd?: number } })._handle;
  if (handle?.fd === undefined || handle.fd < 0) throw fail("denied", "the caller is gone");
  return handle.fd;
}

function pidfdPeer(
  credentials: PeerCredentials,
  procDir: string,
  pidfd: number,
  calls: Native,
): Peer {
  let held: number | undefined = pidfd;
  const alive = (): boolean => held !== undefined && calls.ended([held])[0] === false;
  const facts = new Facts(credentials, procDir, alive);
  return {
    ...credentials,
    get pidfd() {
      return held;
    },
    alive,
    read: () => facts.read(),
    release() {
      facts.release();
      if (held !== undefined) closeSync(held);
      held = undefined;
    },
  };
}

/** Older kernels: the start time of a PID changes when another process gets it. */
function startTimePeer(credentials: PeerCredentials, procDir: string): Peer {
  let startTime = readStartTime(procDir, credentials.pid);
  const alive = (): boolean => {
    if (startTime === undefined) return false;
    try {
      return readStartTime(procDir, credentials.pid) === startTime;
    } catch {
      return false; // no such process any more
    }
  };
  const facts = new Facts(credentials, procDir, alive);
  return {
    ...credentials,
    pidfd: undefined,
    alive,
    read() {
      const found = facts.read();
      // Nothing but this ties the open status to the process that connected.
      if (!alive()) throw ended();
      return found;
    },
    release() {
      facts.release();
      startTime = undefined;
    },
  };
}

/** Reads the status of one process for good: see `StatusFile`. */
class Facts {
  readonly #credentials: PeerCredentials;
  readonly #procDir: string;
  readonly #alive: () => boolean;
  #status: StatusFile | undefined;
  #ids: ProcessIds | undefined;
  #facts: ProcessFacts;
  #released = false;

  constructor(credentials: PeerCredentials, procDir: string, alive: () => boolean) {
    this.#credentials = credentials;
    this.#procDir = procDir;
    this.#alive = alive;
    this.#facts = { ...credentials, groups: [] };
  }

  read(): ProcessFacts {
    const { pid, uid, gid } = this.#credentials;
    const { isZombie, ids } = this.#open().read();
    if (isZombie && !this.#alive()) throw ended();
    if (ids.uid !== uid || ids.gid !== gid) {
      throw fail(
        "denied",
        "the calling process changed its user or group since it connected; connect again",
      );
    }
    if (ids !== this.#ids) {
      this.#ids = ids;
      this.#facts = { pid, ...ids };
    }
    return this.#facts;
  }

  release(): void {
    this.#released = true;
    this.#status?.[Symbol.dispose]();
    this.#status = undefined;
  }

  #open(): StatusFile {
    if (this.#released) throw ended();
    if (this.#status !== undefined) return this.#status;
    const status = new StatusFile(this.#procDir, this.#credentials.pid);
    // A PID is not given out again while its process lives: alive now means that this was its file.
    if (!this.#alive()) {
      status[Symbol.dispose]();
      throw ended();
    }
    this.#status = status;
    return status;
  }
}

/** Alive for as long as its connection is. */
function foreignPeer({ uid, gid }: PeerCredentials): Peer {
  const reason = fail(
    "denied",
    "the caller has no process id here; let it share the agent's PID namespace",
  );
  let isReleased = false;
  return {
    ...refusedPeer({ pid: 0, uid, gid }, reason),
    isForeign: true,
    alive: () => !isReleased,
    release() {
      isReleased = true;
    },
  };
}

function refusedPeer(credentials: PeerCredentials, reason: AssayError): Peer {
  return {
    ...credentials,
    pidfd: undefined,
    alive: () => true,
    read() {
      throw reason;
    },
    release: () => undefined,
  };
}

function ended(): AssayError {
  return fail("denied", "the process that connected has ended");
}
