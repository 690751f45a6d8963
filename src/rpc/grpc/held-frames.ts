import { MAX_HELD_BYTES } from "./limits.ts";

/**
 * The frames that a connection holds for its client. A frame that many streams wait for is one piece of memory and
 * counts once.
 */
export class HeldFrames {
  readonly #uses = new Map<Uint8Array, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** False, and nothing counted, when the frame would exceed the bound; one frame alone is always taken. */
  add(frame: Uint8Array): boolean {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses === 0) {
      if (this.#bytes > 0 && this.#bytes + frame.length > MAX_HELD_BYTES) return false;
      this.#bytes += frame.length;
    }
    this.#uses.set(frame, uses + 1);
    return true;
  }

  remove(frame: Uint8Array): void {
    const uses = this.#uses.get(frame);
    if (uses === undefined) return;
    if (uses > 1) {
      this.#uses.set(frame, uses - 1);
      return;
    }
    this.#uses.delete(frame);
    this.#bytes -= frame.length;
  }
}
