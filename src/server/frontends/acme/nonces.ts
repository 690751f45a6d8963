/**
 * Nonces (RFC 8555 §6.5): each is accepted once, without a row or an entry for any of them. A nonce says which server
 * made it and as which in line, under a MAC; of those in the window one bit tells whether it was used.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { asBuffer } from "../../../base/bytes.ts";
import type { Random } from "../../../base/random.ts";

export interface NoncesOptions {
  readonly random: Random;
  /** How many of the newest count; default: 2^20, which takes 128 KiB. */
  readonly window?: number;
}

export type NonceUse =
  | "fresh"
  /** Made here, and used before or too old. */
  | "spent"
  /** Made by another server, or by this one before it was started anew. */
  | "foreign"
  | "malformed";

export class Nonces {
  readonly #window: number;
  /** One bit for each nonce in the window, by its number. */
  readonly #used: Uint8Array;
  /** Of this process. */
  readonly #server: Buffer;
  readonly #key: Uint8Array;
  /** Of the nonce that was made last; they begin with 1. */
  #newest = 0;

  constructor({ random, window = DEFAULT_WINDOW }: NoncesOptions) {
    if (window % 8 !== 0 || window < 8) throw new TypeError("a window is a multiple of 8");
    this.#window = window;
    this.#used = new Uint8Array(window / 8);
    this.#server = asBuffer(random.bytes(SERVER_BYTES));
    this.#key = random.bytes(32);
  }

  make(): string {
    this.#newest += 1;
    // Its bit was that of one which leaves the window now.
    this.#mark(this.#newest, false);
    const bytes = Buffer.alloc(SIGNED_BYTES + MAC_BYTES);
    this.#server.copy(bytes);
    bytes.writeUIntBE(this.#newest, SERVER_BYTES, NUMBER_BYTES);
    this.#mac(bytes.subarray(0, SIGNED_BYTES)).copy(bytes, SIGNED_BYTES);
    return bytes.toString("base64url");
  }

  /** `fresh` once for each, and never again. */
  use(nonce: string): NonceUse {
    const bytes = Buffer.from(nonce, "base64url");
    if (bytes.length !== SIGNED_BYTES + MAC_BYTES || bytes.toString("base64url") !== nonce) {
      return "malformed";
    }
    if (!bytes.subarray(0, SERVER_BYTES).equals(this.#server)) return "foreign";
    const mac = this.#mac(bytes.subarray(0, SIGNED_BYTES));
    if (!timingSafeEqual(mac, bytes.subarray(SIGNED_BYTES))) return "malformed";
    const number = bytes.readUIntBE(SERVER_BYTES, NUMBER_BYTES);
    if (number <= this.#newest - this.#window || this.#isMarked(number)) return "spent";
    this.#mark(number, true);
    return "fresh";
  }

  #mac(signed: Uint8Array): Buffer {
    return createHmac("sha256", this.#key).update(signed).digest().subarray(0, MAC_BYTES);
  }

  #isMarked(number: number): boolean {
    const at = number % this.#window;
    return ((this.#used[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  #mark(number: number, isUsed: boolean): void {
    const at = number % this.#window;
    const byte = this.#used[at >> 3] ?? 0;
    const bit = 1 << (at & 7);
    this.#used[at >> 3] = isUsed ? byte | bit : byte & ~bit;
  }
}

const SERVER_BYTES = 6;
const NUMBER_BYTES = 6;
const SIGNED_BYTES = SERVER_BYTES + NUMBER_BYTES;
const MAC_BYTES = 12;
const DEFAULT_WINDOW = 2 ** 20;
