import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import type { ProcessFacts } from "../../attestors/contract.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import { type Native, type PeerCredentials, native } from "./native.ts";
import { FactsFile, ended } from "./facts-file.ts";
import { type HeldProcess, type HeldProcessParams, HeldProcesses } from "./held-process.ts";
import { StatusFile, readStartTime } from "./proc.ts";

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
  /**
   * The process itself, where it is held: the same for all its connections. Who asks about it for one of them knows it for
   * the others that came with the same user and group.
   */
  readonly process?: HeldProcess;
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
  /** Those that other connections have. Default: none. */
  readonly processes?: HeldProcesses;
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
        : pidfdPeer({ pid, uid, gid }, { pid, pidfd, procDir, native: calls });
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
    : pidfdPeer(
        credentials,
        { pid: credentials.pid, pidfd, procDir, native: calls },
        options.processes,
      );
}

/** node:net keeps the descriptor on its handle; there is no public way to it. */
function descriptorOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle?: { fd?: number } })._handle;
  if (handle?.fd === undefined || handle.fd < 0) throw fail("denied", "the caller is gone");
  return handle.fd;
}

function pidfdPeer(
  credentials: PeerCredentials,
  params: HeldProcessParams,
  processes = new HeldProcesses(),
): Peer {
  const held = processes.hold(params);
  let isReleased = false;
  return {
    ...credentials,
    process: held,
    get pidfd() {
      return isReleased ? undefined : held.pidfd;
    },
    alive: () => !isReleased && held.alive(),
    read() {
      if (isReleased) throw ended();
      return asConnected(credentials, held.read());
    },
    release() {
      if (!isReleased) processes.release(held);
      isReleased = true;
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
  const facts = new FactsFile({ pid: credentials.pid, procDir, alive });
  return {
    ...credentials,
    pidfd: undefined,
    alive,
    read() {
      const found = asConnected(credentials, facts.read());
      // Nothing but this ties the open status to the process that connected.
      if (!alive()) throw ended();
      return found;
    },
    release() {
      facts[Symbol.dispose]();
      startTime = undefined;
    },
  };
}

/** @throws denied when they are no longer those of whoever connected */
function asConnected({ uid, gid }: PeerCredentials, facts: ProcessFacts): ProcessFacts {
  if (facts.uid === uid && facts.gid === gid) return facts;
  throw fail(
    "denied",
    "the calling process changed its user or group since it connected; connect again",
  );
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
