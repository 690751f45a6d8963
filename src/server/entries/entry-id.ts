import type { Clock } from "../../base/clock.ts";
import { toHex } from "../../base/bytes.ts";
import type { Random } from "../../base/random.ts";

/**
 * Makes entry IDs: version 7 UUIDs (RFC 9562 §5.7, counter of §6.2 method 1). They rise, so that entries of the same
 * second list in the order they were made and the database appends to its index instead of scattering over it.
 */
export class EntryIds {
  readonly #clock: Clock;
  readonly #random: Random;
  #lastMs = 0;
  #counter = 0;
  #drawn: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  next(): string {
    this.#advance();
    const time = this.#lastMs.toString(16).padStart(12, "0");
    const counter = this.#counter.toString(16).padStart(3, "0");
    const tail = this.#tail();
    tail[0] = ((tail[0] ?? 0) & 0x3f) | 0x80;
    const hex = toHex(tail);
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${hex.slice(0, 4)}-${hex.slice(4)}`;
  }

  /** Drawn for many IDs at once: asking the system for each costs more than the rest of the ID. */
  #tail(): Uint8Array {
    if (this.#at >= this.#drawn.length) {
      this.#drawn = Uint8Array.from(this.#random.bytes(TAIL_BYTES * IDS_PER_DRAW));
      this.#at = 0;
    }
    const tail = this.#drawn.subarray(this.#at, this.#at + TAIL_BYTES);
    this.#at += TAIL_BYTES;
    return tail;
  }

  /** The clock may stand still or step back; the ID does not. */
  #advance(): void {
    const now = Math.trunc(this.#clock.nowMs());
    if (now > this.#lastMs) {
      this.#lastMs = now;
      this.#counter = 0;
    } else if (this.#counter < MAX_COUNTER) {
      this.#counter += 1;
    } else {
      this.#lastMs += 1;
      this.#counter = 0;
    }
  }
}

const MAX_COUNTER = 0xfff;
const TAIL_BYTES = 8;
const IDS_PER_DRAW = 64;
