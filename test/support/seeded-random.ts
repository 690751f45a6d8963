import { createHash } from "node:crypto";
import type { Random } from "../../src/base/random.ts";

/** The same bytes in every run: SHA-256 over seed and counter. Never for anything but tests. */
export class SeededRandom implements Random {
  readonly #seed: string;
  #counter = 0;
  #left: Uint8Array = new Uint8Array(0);

  constructor(seed = "assay") {
    this.#seed = seed;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      if (this.#left.length === 0) {
        this.#left = createHash("sha256")
          .update(`${this.#seed}:${this.#counter++}`)
          .digest();
      }
      const part = this.#left.subarray(0, length - at);
      out.set(part, at);
      this.#left = this.#left.subarray(part.length);
      at += part.length;
    }
    return out;
  }

  unit(): number {
    return Buffer.from(this.bytes(4)).readUInt32BE() / 2 ** 32;
  }
}
