import { ConnectionViolation, ENHANCE_YOUR_CALM } from "./error-code.ts";

/**
 * How much of what costs us and moves nothing a client may send between two sweeps. Each of these frames is legal; a
 * flood of them is how servers are brought down (CVE-2019-9512 to 9518, CVE-2023-44487, CVE-2024-27316).
 */
export class Patience {
  readonly #maxResets: number;
  #resets = 0;
  #idleFrames = 0;
  #refusals = 0;
  #windowChanges = 0;

  constructor(maxResets: number) {
    this.#maxResets = maxResets;
  }

  renew(): void {
    this.#resets = 0;
    this.#idleFrames = 0;
    this.#refusals = 0;
    this.#windowChanges = 0;
  }

  /** A stream was reset, by the client or for what it did. */
  reset(): void {
    if (++this.#resets > this.#maxResets) calm("too many streams were reset");
  }

  /** A frame that opens, carries and ends nothing. */
  idleFrame(): void {
    if (++this.#idleFrames > MAX_IDLE_FRAMES) calm("too many frames without a use");
  }

  /** A stream above the number that the client has acknowledged. */
  refusal(): void {
    if (++this.#refusals > MAX_REFUSALS) calm("more streams than agreed on");
  }

  /** Each open stream's window is to change. */
  windowChange(streams: number): void {
    this.#windowChanges += 1 + streams;
    if (this.#windowChanges > MAX_WINDOW_CHANGES) calm("too many changes of the initial window");
  }

  /** @param bytes that wait for the client to read them */
  checkHeld(bytes: number): void {
    if (bytes > MAX_HELD_BYTES) calm("the client asks and does not read");
  }
}

function calm(rule: string): never {
  throw new ConnectionViolation(ENHANCE_YOUR_CALM, rule);
}

const MAX_IDLE_FRAMES = 100_000;
const MAX_REFUSALS = 1_000;
const MAX_WINDOW_CHANGES = 100_000;
/** DATA stops long before: these are headers, resets and acknowledgements. */
const MAX_HELD_BYTES = 1024 * 1024;
