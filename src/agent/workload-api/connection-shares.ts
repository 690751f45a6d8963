import type { ConnectionHolder } from "./connection-holder.ts";

/** Who may hold how many connections of the Workload API's socket, which every local user can reach. */
export interface ConnectionSharesOptions {
  /** Files that this process may have open (RLIMIT_NOFILE). */
  readonly openFiles: number;
  /** Users without a share of their own: on the host they could stop the agent anyway. */
  readonly unlimited: ReadonlySet<ConnectionHolder>;
}

/** Counts connections by user, and root's by container: one holder's hunger leaves places for all others, and files for the agent's own work. */
export class ConnectionShares {
  readonly total: number;
  readonly perUser: number;
  readonly #unlimited: ReadonlySet<ConnectionHolder>;
  readonly #held = new Map<ConnectionHolder, number>();
  #all = 0;

  constructor({ openFiles, unlimited }: ConnectionSharesOptions) {
    const reserved = Math.min(RESERVED_FILES, openFiles / 2);
    const fitting = Math.floor((openFiles - reserved) / FILES_PER_CONNECTION);
    this.total = Math.max(MIN_CONNECTIONS, Math.min(MAX_CONNECTIONS, fitting));
    this.perUser = Math.floor(this.total / USERS_TO_FILL);
    this.#unlimited = unlimited;
  }

  /** Whether it matters where the user's processes are. */
  isUnlimited(uid: number): boolean {
    return this.#unlimited.has(uid);
  }

  /** False when the holder has its share, or when there is no place at all. */
  take(holder: ConnectionHolder): boolean {
    const held = this.#held.get(holder) ?? 0;
    if (this.#all >= this.total) return false;
    if (held >= this.perUser && !this.#unlimited.has(holder)) return false;
    this.#held.set(holder, held + 1);
    this.#all += 1;
    return true;
  }

  give(holder: ConnectionHolder): void {
    const held = this.#held.get(holder) ?? 0;
    if (held <= 1) this.#held.delete(holder);
    else this.#held.set(holder, held - 1);
    this.#all -= 1;
  }
}

/** Of the whole listener; as many as the transport below takes. */
const MAX_CONNECTIONS = 20_000;
const MIN_CONNECTIONS = 8;
/** The socket, the pidfd and the status file of the process behind it. */
const FILES_PER_CONNECTION = 3;
/** For executables, the identity, the connection to the server. */
const RESERVED_FILES = 128;
/** So many greedy users it takes to leave none for the next. */
const USERS_TO_FILL = 4;
