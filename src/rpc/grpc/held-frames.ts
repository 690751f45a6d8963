import { KeyedCounts } from "../../base/keyed-counts.ts";
import { MAX_HELD_BYTES } from "./limits.ts";

/**
 * The frames that a connection holds for its client. A frame that many streams wait for is one piece of memory and
 * counts once.
 */
export class HeldFrames {
  readonly #uses = new KeyedCounts<Uint8Array>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** False, and nothing counted, when the frame would exceed the bound; one frame alone is always taken. */
  add(frame: Uint8Array): boolean {
    if (this.#uses.of(frame) === 0) {
      if (this.#bytes > 0 && this.#bytes + frame.length > MAX_HELD_BYTES) return false;
      this.#bytes += frame.length;
    }
    this.#uses.add(frame);
    return true;
  }

  remove(frame: Uint8Array): void {
    if (this.#uses.of(frame) === 1) this.#bytes -= frame.length;
    this.#uses.remove(frame);
  }
}
