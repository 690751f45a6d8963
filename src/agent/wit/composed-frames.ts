import { bytesEqual } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import type { ViewContent } from "../cache/view.ts";

export interface Composed {
  readonly frame: Uint8Array;
  /** When to compose anew, though nothing changed. */
  readonly againMs: number;
}

export interface ComposedFramesOptions {
  readonly compose: (content: ViewContent) => Promise<Composed>;
  readonly send: (frame: Uint8Array) => void;
  /** Composing or sending failed: nothing more is sent before `show` is called again. */
  readonly onError: (thrown: unknown) => void;
  readonly clock: Clock;
}

/**
 * Frames of a stream that have to be waited for: composed of the latest content, one at a time, anew when it changes or
 * their time has come, and sent when they differ from the one before.
 */
export class ComposedFrames {
  readonly #options: ComposedFramesOptions;
  #latest: ViewContent | undefined;
  #sent: Uint8Array | undefined;
  #isComposing = false;
  #isOver = false;
  #cancelAgain = (): void => undefined;

  constructor(options: ComposedFramesOptions) {
    this.#options = options;
  }

  /** Something was shown, whether or not it has been composed yet. */
  get hasContent(): boolean {
    return this.#latest !== undefined;
  }

  show(content: ViewContent): void {
    this.#latest = content;
    if (!this.#isComposing && !this.#isOver) void this.#round(content);
  }

  /** Sends nothing from now on. */
  stop(): void {
    this.#isOver = true;
    this.#cancelAgain();
  }

  async #round(content: ViewContent): Promise<void> {
    const { compose, onError } = this.#options;
    this.#isComposing = true;
    this.#cancelAgain();
    try {
      const { frame, againMs } = await compose(content);
      if (this.#isOver) return;
      this.#sendNew(frame);
      this.#goOn(content, againMs);
    } catch (thrown) {
      onError(thrown);
    } finally {
      this.#isComposing = false;
    }
  }

  #sendNew(frame: Uint8Array): void {
    if (this.#sent !== undefined && bytesEqual(this.#sent, frame)) return;
    this.#sent = frame;
    this.#options.send(frame);
  }

  /** At once when something else came meanwhile. */
  #goOn(composed: ViewContent, againMs: number): void {
    const next = this.#latest ?? composed;
    const afterMs = next === composed ? Math.max(againMs, MIN_ROUND_MS) : 0;
    this.#cancelAgain = this.#options.clock.after(afterMs, () => this.show(next));
  }
}

const MIN_ROUND_MS = 1000;
