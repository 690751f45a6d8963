import type { CancelTimer, Clock } from "../../base/clock.ts";
import { type Native, native } from "./native.ts";
import type { Peer } from "./peer.ts";

/**
 * Notices that the process behind a connection has ended while somebody else still holds its socket: one poll over all
 * pidfds a second. Without a pidfd each start time is read.
 */
export class PeerWatch implements Disposable {
  readonly #clock: Clock;
  readonly #native: () => Native;
  readonly #watched = new Map<Peer, () => void>();
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, calls: () => Native = native) {
    this.#clock = clock;
    this.#native = calls;
  }

  /** Calls `onEnd` once when the process is gone. @returns stops watching */
  add(peer: Peer, onEnd: () => void): () => void {
    this.#watched.set(peer, onEnd);
    this.#arm();
    return () => {
      this.#watched.delete(peer);
      if (this.#watched.size === 0) this[Symbol.dispose]();
    };
  }

  get size(): number {
    return this.#watched.size;
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    this.#cancel ??= this.#clock.after(INTERVAL_MS, () => {
      this.#cancel = undefined;
      this.#sweep();
      if (this.#watched.size > 0) this.#arm();
    });
  }

  #sweep(): void {
    const withPidfd: Peer[] = [];
    const pidfds: number[] = [];
    const gone: Peer[] = [];
    for (const peer of this.#watched.keys()) {
      if (peer.pidfd !== undefined) {
        withPidfd.push(peer);
        pidfds.push(peer.pidfd);
      } else if (!peer.alive()) {
        gone.push(peer);
      }
    }
    if (pidfds.length > 0) {
      const ended = this.#native().ended(pidfds);
      gone.push(...withPidfd.filter((_, i) => ended[i]));
    }
    for (const peer of gone) {
      const onEnd = this.#watched.get(peer);
      this.#watched.delete(peer);
      onEnd?.();
    }
  }
}

const INTERVAL_MS = 1000;
