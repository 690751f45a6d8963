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

/** What is to be signed. */
export interface SignJob {
  readonly key: KeyObject;
  readonly hash: Hash;
  readonly data: Uint8Array;
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
  verify(proof: VerifyJob): Promise<number | undefined> | undefined {
    return this.#ask(proof, undefined, (job) => this.#answerOf(job));
  }

  /**
   * Signs; resolves with undefined when the thread could not.
   * @returns undefined when the thread cannot take the job, as with `verify`
   */
  sign(toSign: SignJob): Promise<Uint8Array | undefined> | undefined {
    return this.#ask(undefined, toSign, (job) => this.#signatureOf(job));
  }

  /**
   * Signs when the proof fits. Resolves with the signature, with the `ANSWER` for a proof that does not fit, or with
   * undefined when the thread could not.
   * @returns undefined when the thread cannot take the job, as with `verify`
   */
  signProven(
    proof: VerifyJob,
    toSign: SignJob,
  ): Promise<Uint8Array | number | undefined> | undefined {
    return this.#ask(proof, toSign, (job) => {
      const answer = this.#answerOf(job);
      return REFUSALS.has(answer) ? answer : this.#signatureOf(job);
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

  /** Fills a slot and hands it over; `read` takes the answer from it. */
  #ask<T>(
    proof: VerifyJob | undefined,
    toSign: SignJob | undefined,
    read: (job: number) => T,
  ): Promise<T | undefined> | undefined {
    const { publicKey = NOTHING, data = NOTHING, signature = NOTHING } = proof ?? {};
    const { data: signed = NOTHING } = toSign ?? {};
    // To the thread, no key means nothing to check.
    if (proof !== undefined && publicKey.length === 0) return undefined;
    const length = publicKey.length + data.length + signature.length + signed.length;
    if (!this.#isOpen || this.#waiting.length >= SLOTS || length > SLOT_BYTES) return undefined;
    const words = this.#words;
    const head = headOf(this.#asked);
    let at = startOf(this.#asked);
    for (const part of [publicKey, data, signature, signed]) {
      this.#bytes.set(part, at);
      at += part.length;
    }
    words[head + AT.keyBytes] = publicKey.length;
    words[head + AT.dataBytes] = data.length;
    words[head + AT.signatureBytes] = signature.length;
    words[head + AT.hash] = proof === undefined ? 0 : HASHES.indexOf(proof.hash);
    words[head + AT.toSignBytes] = signed.length;
    words[head + AT.signHash] = toSign === undefined ? 0 : HASHES.indexOf(toSign.hash);
    words[head + AT.signer] =
      toSign === undefined ? 0 : (this.#signers.get(toSign.key) ?? this.#send(toSign.key));
    words[head + AT.answer] = 0;
    this.#asked = (this.#asked + 1) | 0;
    Atomics.store(words, WORD.asked, this.#asked);
    Atomics.notify(words, WORD.asked, 1);
    // Nothing else may keep the process until the answer is there.
    if (this.#waiting.length === 0) this.#worker.ref();
    return new Promise((resolve) => {
      this.#waiting.push((job) => resolve(job === undefined ? undefined : read(job)));
    });
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

const NOTHING = new Uint8Array(0);
const REFUSALS: ReadonlySet<number> = new Set([ANSWER.differs, ANSWER.noKey]);
/** Beside this file, as source or as it was built. */
const PROGRAM = join(import.meta.dirname, `signature-worker${extname(import.meta.filename)}`);
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };
/** An X.509 and a JWT authority, and those that follow them: an older one is not to be kept for long. */
const MAX_SIGNERS = 4;
