/** How many connections the broker endpoint holds, and who has to go when there are more. Knows no sockets. */

/** A connection's place, until `leave`. */
export interface Place {
  /**
   * The connection is a broker's from now on. When brokers have no place left, one of theirs without a call is closed,
   * and if there is none this one. @param broker its SPIFFE ID
   */
  prove(broker: string): void;
  /** A call is under way. @returns what to do at its end, once */
  begin(): () => void;
  leave(): void;
}

export interface PlacesOptions {
  /** Connections that no broker has proved to be its own, unfinished handshakes included. */
  readonly unproven: number;
  /** Of them from one address. */
  readonly unprovenPerAddress: number;
  /** Connections of brokers, which have places of their own. */
  readonly proven: number;
  /** Of them of one broker. */
  readonly provenPerBroker: number;
  /** Told of each connection that had to go. */
  readonly onClosed: (why: string, whose: string) => void;
}

interface Held {
  readonly address: string;
  readonly close: () => void;
  broker: string | undefined;
  calls: number;
}

export class Places {
  readonly #options: PlacesOptions;
  /** Oldest first. */
  readonly #unproven = new Set<Held>();
  /** Those that were longest without a new call first. */
  readonly #proven = new Set<Held>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** All that are held. */
  get size(): number {
    return this.#unproven.size + this.#proven.size;
  }

  /**
   * A place for a new connection. Whoever has proved nothing for longest makes room: among those of the same address when
   * that has its share, else among those of the address that has most.
   * @param close ends the connection
   */
  take(address: string, close: () => void): Place {
    const { unproven, unprovenPerAddress } = this.#options;
    const same = [...this.#unproven].filter((held) => held.address === address);
    if (same.length >= unprovenPerAddress) this.#end(same[0], "its address has too many");
    else if (this.#unproven.size >= unproven) this.#end(this.#crowding(), "there are too many");
    const held: Held = { address, close, broker: undefined, calls: 0 };
    this.#unproven.add(held);
    return {
      prove: (broker) => this.#prove(held, broker),
      begin: () => this.#begin(held),
      leave: () => this.#forget(held),
    };
  }

  #prove(held: Held, broker: string): void {
    if (!this.#unproven.has(held)) return;
    const { proven, provenPerBroker } = this.#options;
    const own = [...this.#proven].filter((other) => other.broker === broker);
    held.broker = broker;
    const isOver = own.length >= provenPerBroker;
    if (isOver || this.#proven.size >= proven) {
      const idle = (isOver ? own : [...this.#proven]).find(({ calls }) => calls === 0);
      this.#end(idle ?? held, isOver ? "its broker has too many" : "there are too many");
      if (idle === undefined) return;
    }
    this.#unproven.delete(held);
    this.#proven.add(held);
  }

  #begin(held: Held): () => void {
    held.calls += 1;
    if (this.#proven.delete(held)) this.#proven.add(held);
    let isOver = false;
    return () => {
      if (!isOver) held.calls -= 1;
      isOver = true;
    };
  }

  /** The oldest of the address that has most. */
  #crowding(): Held | undefined {
    const byAddress = Map.groupBy(this.#unproven, ({ address }) => address);
    let most: readonly Held[] = [];
    for (const each of byAddress.values()) if (each.length > most.length) most = each;
    return most[0];
  }

  #end(held: Held | undefined, why: string): void {
    if (held === undefined) return;
    this.#forget(held);
    held.close();
    this.#options.onClosed(why, held.broker ?? held.address);
  }

  #forget(held: Held): void {
    this.#unproven.delete(held);
    this.#proven.delete(held);
  }
}
