import type { Socket } from "node:net";
import { addressKey } from "../base/address-key.ts";

/**
 * A listener's places for connections. When all are taken, whoever holds the most gives its oldest one for the newcomer:
 * one address cannot keep the others out by holding connections and saying nothing.
 */
export class ConnectionPlaces {
  readonly #max: number;
  readonly #held = new Map<string, Set<Socket>>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Until the connection closes. */
  take(socket: Socket): void {
    const key = addressKey(socket.remoteAddress ?? "");
    if (this.#count >= this.#max) this.#evict();
    const mine = this.#held.get(key) ?? new Set();
    mine.add(socket);
    this.#held.set(key, mine);
    this.#count += 1;
    socket.once("close", () => this.#give(key, socket));
  }

  #evict(): void {
    let most: readonly [key: string, sockets: ReadonlySet<Socket>] | undefined;
    for (const each of this.#held) {
      if (most === undefined || each[1].size > most[1].size) most = each;
    }
    const [key = "", sockets = []] = most ?? [];
    const [oldest] = sockets;
    if (oldest === undefined) return;
    this.#give(key, oldest);
    oldest.destroy();
  }

  #give(key: string, socket: Socket): void {
    const held = this.#held.get(key);
    if (held?.delete(socket) !== true) return;
    this.#count -= 1;
    if (held.size === 0) this.#held.delete(key);
  }
}
