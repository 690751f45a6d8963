import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import type { ProcessFacts } from "../../attestors/contract.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { type Native, type PeerCredentials, native } from "./native.ts";
import { readStartTime, readStatus } from "./proc.ts";

/**
 * The process that connected, held for the life of its connection.
 *
 * With a pidfd (SO_PEERPIDFD, Linux 6.5) a recycled PID is never mistaken for it. A pidfd does not pin /proc/PID, so
 * whoever reads there calls `read` again afterwards and throws the answer away when that fails. A socket that was
 * handed on speaks for the process that connected.
 */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /**
   * The facts as they are now.
   * @throws denied when the process has ended, changed its user or group since it connected (a set-user-ID program
   * that inherited the socket must not answer for the one who opened it), or has no PID here
   */
  read(): ProcessFacts;
  alive(): boolean;
  /** Closes what is held; safe to call twice. */
  release(): void;
  /** The pidfd, for a common poll; `undefined` without one or once released. */
  readonly pidfd: number | undefined;
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

function track(fd: number, options: TrackPeerOptions): Peer {
  const calls = options.native ?? native();
  const procDir = options.procDir ?? "/proc";
  const credentials = calls.peerCredentials(fd);
  if (credentials.pid <= 0) {
    return refusedPeer(
      credentials,
      fail("denied", "the caller has no process id here; let it share the agent's PID namespace"),
    );
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
  return {
    ...credentials,
    get pidfd() {
      return held;
    },
    alive,
    read() {
      const facts = readFacts(credentials, procDir);
      if (!alive()) throw fail("denied", ENDED);
      return facts;
    },
    release() {
      if (held === undefined) return;
      closeSync(held);
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
  return {
    ...credentials,
    pidfd: undefined,
    alive,
    read() {
      const facts = readFacts(credentials, procDir);
      if (!alive()) throw fail("denied", ENDED);
      return facts;
    },
    release() {
      startTime = undefined;
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

function readFacts(credentials: PeerCredentials, procDir: string): ProcessFacts {
  const status = readStatus(procDir, credentials.pid);
  if (status.uid !== credentials.uid || status.gid !== credentials.gid) {
    throw fail(
      "denied",
      "the calling process changed its user or group since it connected; connect again",
    );
  }
  return { pid: credentials.pid, ...status };
}

const ENDED = "the process that connected has ended";
