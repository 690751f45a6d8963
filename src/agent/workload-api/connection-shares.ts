/** Who may hold how many connections of the Workload API's socket, which every local user can reach. */
export interface ConnectionSharesOptions {
  /** Files that this process may have open (RLIMIT_NOFILE). */
  readonly openFiles: number;
  /** Users without a share of their own: they could stop the agent anyway. */
  readonly unlimited: ReadonlySet<number>;
}

/** Counts connections by user: one user's hunger leaves places for all others, and files for the agent's own work. */
export class ConnectionShares {
  readonly total: number;
  readonly perUser: number;
  readonly #unlimited: ReadonlySet<number>;
  readonly #held = new Map<number, number>();
  #all = 0;

  constructor({ openFiles, unlimited }: ConnectionSharesOptions) {
    const reserved = Math.min(RESERVED_FILES, openFiles / 2);
    const fitting = Math.floor((openFiles - reserved) / FILES_PER_CONNECTION);
    this.total = Math.max(MIN_CONNECTIONS, Math.min(MAX_CONNECTIONS, fitting));
    this.perUser = Math.floor(this.total / USERS_TO_FILL);
    this.#unlimited = unlimited;
  }

  /** False when the user has its share, or when there is no place at all. */
  take(uid: number): boolean {
    const held = this.#held.get(uid) ?? 0;
    if (this.#all >= this.total) return false;
    if (held >= this.perUser && !this.#unlimited.has(uid)) return false;
    this.#held.set(uid, held + 1);
    this.#all += 1;
    return true;
  }

  give(uid: number): void {
    const held = this.#held.get(uid) ?? 0;
    if (held <= 1) this.#held.delete(uid);
    else this.#held.set(uid, held - 1);
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
