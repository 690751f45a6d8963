import { KeyedCounts } from "../../base/keyed-counts.ts";
import type { ConnectionHolder } from "./connection-holder.ts";

/** Who may hold how many connections of the Workload API's socket, which every local user can reach. */
export interface ConnectionSharesOptions {
  /** Files that this process may have open (RLIMIT_NOFILE). */
  readonly openFiles: number;
  /** Users without a share of their own: on the host they could stop the agent anyway. */
  readonly unlimited: ReadonlySet<ConnectionHolder>;
}

/** One connection's place. */
export interface Place {
  /** Gives it back, once. */
  give(): void;
}

/** Counts connections by user, and root's by container: one holder's hunger leaves places for all others, and files for the agent's own work. */
export class ConnectionShares {
  readonly total: number;
  readonly perUser: number;
  readonly #unlimited: ReadonlySet<ConnectionHolder>;
  readonly #held = new KeyedCounts<ConnectionHolder>();
  /** Of users without a share of their own, not looked at yet. */
  readonly #unlooked = new Set<Unlooked>();
  readonly #maxUnlooked: number;
  #ofUnlimited = 0;
  #all = 0;

  constructor({ openFiles, unlimited }: ConnectionSharesOptions) {
    const reserved = Math.min(RESERVED_FILES, openFiles / 2);
    const fitting = Math.floor((openFiles - reserved) / FILES_PER_CONNECTION);
    this.total = Math.max(MIN_CONNECTIONS, Math.min(MAX_CONNECTIONS, fitting));
    this.perUser = Math.floor(this.total / USERS_TO_FILL);
    this.#maxUnlooked = Math.min(this.perUser, MAX_UNLOOKED);
    this.#unlimited = unlimited;
  }

  /**
   * Takes a place for a connection of the user.
   * @param find whose share it counts against, where that is not simply the user: asked for users without a share of
   * their own only, and only while they hold so many places together that one of them may be above a share
   * @returns undefined when the holder has its share, or when there is no place at all
   */
  take(uid: number, find: () => ConnectionHolder = () => uid): Place | undefined {
    if (this.#all >= this.total) return undefined;
    if (!this.#unlimited.has(uid)) return this.#takeFor(uid, 0);
    if (this.#ofUnlimited < this.#maxUnlooked) return this.#takeUnlooked(find);
    for (const place of this.#unlooked) {
      place.holder = place.find();
      this.#held.add(place.holder);
    }
    this.#unlooked.clear();
    return this.#takeFor(find(), 1);
  }

  /** @param ofUnlimited 1: of a user without a share */
  #takeFor(holder: ConnectionHolder, ofUnlimited: number): Place | undefined {
    if (this.#held.of(holder) >= this.perUser && !this.#unlimited.has(holder)) return undefined;
    this.#all += 1;
    this.#ofUnlimited += ofUnlimited;
    this.#held.add(holder);
    return {
      give: () => {
        this.#all -= 1;
        this.#ofUnlimited -= ofUnlimited;
        this.#held.remove(holder);
      },
    };
  }

  #takeUnlooked(find: () => ConnectionHolder): Place {
    const place: Unlooked = { find, holder: undefined };
    this.#all += 1;
    this.#ofUnlimited += 1;
    this.#unlooked.add(place);
    return {
      give: () => {
        this.#all -= 1;
        this.#ofUnlimited -= 1;
        this.#unlooked.delete(place);
        if (place.holder !== undefined) this.#held.remove(place.holder);
      },
    };
  }
}

interface Unlooked {
  readonly find: () => ConnectionHolder;
  /** Undefined until it was looked at. */
  holder: ConnectionHolder | undefined;
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
/** Looking at all of them together takes a few milliseconds. */
const MAX_UNLOOKED = 256;
