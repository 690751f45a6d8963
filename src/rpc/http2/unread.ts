/**
 * What has come for a reader who is not there yet, in order. Copied into blocks, so that a piece of one byte costs one
 * byte and pins no read buffer.
 */
export class Unread {
  #blocks: Uint8Array[] = [];
  #head = 0;
  /** Bytes of the last block that are taken. */
  #used = 0;

  add(bytes: Uint8Array): void {
    let rest = bytes;
    const last = this.#blocks.at(-1);
    if (last !== undefined) {
      const fits = rest.subarray(0, last.length - this.#used);
      last.set(fits, this.#used);
      this.#used += fits.length;
      rest = rest.subarray(fits.length);
    }
    if (rest.length === 0) return;
    // Most bodies come in one piece.
    const block = new Uint8Array(Math.max(rest.length, last === undefined ? 0 : BLOCK_BYTES));
    block.set(rest);
    this.#blocks.push(block);
    this.#used = rest.length;
  }

  /** The oldest block, which is the reader's from now on; undefined when nothing is left. */
  next(): Uint8Array | undefined {
    const block = this.#blocks[this.#head];
    if (block === undefined) return undefined;
    this.#head += 1;
    if (this.#head < this.#blocks.length) return block;
    this.#blocks = [];
    this.#head = 0;
    return block.subarray(0, this.#used);
  }
}

const BLOCK_BYTES = 4096;
