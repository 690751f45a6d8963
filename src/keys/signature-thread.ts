import type { KeyObject } from "node:crypto";
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Hash } from "./public-key.ts";
import {
  ANSWER,
  AT,
  HASHES,
  SLOTS,
  SLOT_BYTES,
  SLOT_WORDS,
  type SignerMessage,
  TOLD,
  type SignatureSlots,
  WORD,
  headOf,
  startOf,
} from "./signature-slots.ts";

/** One signature to be checked with a key that nobody has read yet. */
export interface VerifyJob {
  /** DER SubjectPublicKeyInfo of a supported type. */
  readonly publicKey: Uint8Array;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
  readonly hash: (typeof HASHES)[number];
}

/**
 * A thread that checks and makes signatures, fed through shared memory: with many callers it is seldom asleep, so that a
 * job costs whoever asks a fifth of what handing it to the thread pool does, and no wake-up of its own.
 */
export class SignatureThread {
  readonly #worker: Worker;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** In the order of the jobs; told which slot has the answer, or undefined when there is none. */
  readonly #waiting: ((job: number | undefined) => void)[] = [];
  /** Keys that the thread has, the oldest first. */
  readonly #signers = new Map<KeyObject, number>();
  #lastSigner = 0;
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
    const workerData: SignatureSlots = { control, slots };
    // Nothing of how this process was started: hooks that it loads have no business in the thread.
    const apart = { env: {}, execArgv: [] };
    this.#worker = new Worker(PROGRAM, { workerData, resourceLimits: LIMITS, ...apart });
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
    if (!this.#hasRoom(length)) return undefined;
    const head = headOf(this.#asked);
    const start = startOf(this.#asked);
    this.#bytes.set(publicKey, start);
    this.#bytes.set(data, start + publicKey.length);
    this.#bytes.set(signature, start + publicKey.length + data.length);
    this.#words[head + AT.keyBytes] = publicKey.length;
    this.#words[head + AT.dataBytes] = data.length;
    this.#words[head + AT.signatureBytes] = signature.length;
    this.#words[head + AT.hash] = HASHES.indexOf(hash);
    this.#words[head + AT.signer] = 0;
    return new Promise((resolve) => {
      this.#ask((job) => resolve(job === undefined ? undefined : this.#answerOf(job)));
    });
  }

  /**
   * Signs; resolves with undefined when the thread could not.
   * @returns undefined when the thread cannot take the job, as with `verify`
   */
  sign(key: KeyObject, hash: Hash, data: Uint8Array): Promise<Uint8Array | undefined> | undefined {
    if (!this.#hasRoom(data.length)) return undefined;
    const head = headOf(this.#asked);
    this.#bytes.set(data, startOf(this.#asked));
    this.#words[head + AT.dataBytes] = data.length;
    this.#words[head + AT.hash] = HASHES.indexOf(hash);
    this.#words[head + AT.signer] = this.#signers.get(key) ?? this.#send(key);
    return new Promise((resolve) => {
      this.#ask((job) => resolve(job === undefined ? undefined : this.#signatureOf(job)));
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
    for (const tell of this.#waiting.splice(0)) tell(undefined);
    this.#onEnd(hasFailed);
  }

  #hasRoom(length: number): boolean {
    return this.#isOpen && this.#waiting.length < SLOTS && length <= SLOT_BYTES;
  }

  /** Hands over the slot that was filled. */
  #ask(tell: (job: number | undefined) => void): void {
    const words = this.#words;
    words[headOf(this.#asked) + AT.answer] = 0;
    this.#asked = (this.#asked + 1) | 0;
    Atomics.store(words, WORD.asked, this.#asked);
    Atomics.notify(words, WORD.asked, 1);
    // Nothing else may keep the process until the answer is there.
    if (this.#waiting.length === 0) this.#worker.ref();
    this.#waiting.push(tell);
  }

  #take(): void {
    const words = this.#words;
    // Before looking: what is done later is told again.
    Atomics.store(words, WORD.told, 0);
    const done = Atomics.load(words, WORD.done);
    for (; this.#taken !== done; this.#taken = (this.#taken + 1) | 0) {
      this.#waiting.shift()?.(this.#taken);
    }
    if (this.#waiting.length === 0) this.#worker.unref();
  }

  #answerOf(job: number): number {
    return this.#words[headOf(job) + AT.answer] ?? 0;
  }

  #signatureOf(job: number): Uint8Array | undefined {
    if (this.#answerOf(job) !== ANSWER.signed) return undefined;
    const start = startOf(job);
    return this.#bytes.slice(start, start + (this.#words[headOf(job) + AT.signatureBytes] ?? 0));
  }

  /** The same key for both threads; nothing of it is copied. */
  #send(key: KeyObject): number {
    let forget: number | undefined;
    if (this.#signers.size >= MAX_SIGNERS) {
      for (const [oldest, number] of this.#signers) {
        forget = number;
        this.#signers.delete(oldest);
        break;
      }
    }
    this.#lastSigner += 1;
    this.#signers.set(key, this.#lastSigner);
    const message: SignerMessage = { number: this.#lastSigner, key, forget };
    this.#worker.postMessage(message, []);
    return this.#lastSigner;
  }
}

/** Beside this file, as source or as it was built. */
const PROGRAM = join(import.meta.dirname, `signature-worker${extname(import.meta.filename)}`);
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };
/** An X.509 and a JWT authority, and those that follow them: an older one is not to be kept for long. */
const MAX_SIGNERS = 4;
