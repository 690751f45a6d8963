import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  AT,
  HASHES,
  SLOTS,
  SLOT_BYTES,
  SLOT_WORDS,
  TOLD,
  type VerifySlots,
  WORD,
  headOf,
  startOf,
} from "./verify-slots.ts";

/** One signature to be checked with a key that nobody has read yet. */
export interface VerifyJob {
  /** DER SubjectPublicKeyInfo of a supported type. */
  readonly publicKey: Uint8Array;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
  readonly hash: (typeof HASHES)[number];
}

/**
 * A thread that reads keys and checks signatures, fed through shared memory: with many callers it is seldom asleep, so
 * that a check costs whoever asks a fifth of what handing it to the thread pool does, and no wake-up of its own.
 */
export class VerifyThread {
  readonly #worker: Worker;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #waiting: ((answer: number | undefined) => void)[] = [];
  #asked = 0;
  #taken = 0;
  #isOpen = true;
  readonly #onEnd: (hasFailed: boolean) => void;

  /** @param onEnd it was idle for half a minute and is gone, was closed, or has failed */
  constructor(onEnd: (hasFailed: boolean) => void) {
    const control = new SharedArrayBuffer(4 * (WORD.first + SLOTS * SLOT_WORDS));
    const slots = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
    this.#words = new Int32Array(control);
    this.#bytes = new Uint8Array(slots);
    this.#onEnd = onEnd;
    const workerData: VerifySlots = { control, slots };
    this.#worker = new Worker(PROGRAM, { workerData, resourceLimits: LIMITS, env: {} });
    this.#worker.on("message", (told: number) => {
      if (told === TOLD.answers) this.#take();
      else if (this.#waiting.length === 0) this.close();
    });
    this.#worker.on("error", () => this.#end(true));
    this.#worker.on("exit", () => this.#end(true));
    this.#worker.unref();
  }

  /**
   * Resolves with one of `ANSWER`, or with undefined when the thread ended before it had one.
   * @returns undefined when the thread cannot take the job: it has ended, is full, or the job is too long
   */
  verify({ publicKey, data, signature, hash }: VerifyJob): Promise<number | undefined> | undefined {
    const length = publicKey.length + data.length + signature.length;
    if (!this.#isOpen || this.#waiting.length >= SLOTS || length > SLOT_BYTES) return undefined;
    const words = this.#words;
    const head = headOf(this.#asked);
    const start = startOf(this.#asked);
    this.#bytes.set(publicKey, start);
    this.#bytes.set(data, start + publicKey.length);
    this.#bytes.set(signature, start + publicKey.length + data.length);
    words[head + AT.keyBytes] = publicKey.length;
    words[head + AT.dataBytes] = data.length;
    words[head + AT.signatureBytes] = signature.length;
    words[head + AT.hash] = HASHES.indexOf(hash);
    words[head + AT.answer] = 0;
    this.#asked = (this.#asked + 1) | 0;
    Atomics.store(words, WORD.asked, this.#asked);
    Atomics.notify(words, WORD.asked, 1);
    // Nothing else may keep the process until the answer is there.
    if (this.#waiting.length === 0) this.#worker.ref();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Ends the thread; jobs under way are answered with undefined. */
  close(): void {
    this.#end(false);
  }

  #end(hasFailed: boolean): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#worker.terminate().catch(() => undefined); // it has ended already
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
    this.#onEnd(hasFailed);
  }

  #take(): void {
    const words = this.#words;
    // Before looking: what is done later is told again.
    Atomics.store(words, WORD.told, 0);
    const done = Atomics.load(words, WORD.done);
    for (; this.#taken !== done; this.#taken = (this.#taken + 1) | 0) {
      this.#waiting.shift()?.(words[headOf(this.#taken) + AT.answer]);
    }
    if (this.#waiting.length === 0) this.#worker.unref();
  }
}

/** Beside this file, as source or as it was built. */
const PROGRAM = join(import.meta.dirname, `verify-worker${extname(import.meta.filename)}`);
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };
