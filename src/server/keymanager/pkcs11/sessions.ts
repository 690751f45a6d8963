/** Sessions with one token: a few at once, each call under a deadline, opened anew when the token lost them. */
import type { Clock } from "../../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../../base/errors.ts";
import { CKF, CKR, CKU_USER, STALE, WRONG_PIN } from "./constants.ts";
import { type Cryptoki, Pkcs11Error } from "./cryptoki.ts";

export interface SessionsOptions {
  readonly cryptoki: Cryptoki;
  /** CKA_LABEL of the token. */
  readonly token: string;
  readonly pin: Buffer;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Work with a session that nobody else uses meanwhile. `epoch` changes when object handles may have. */
export type SessionWork<T> = (session: bigint, epoch: number) => Promise<T>;

interface Waiting {
  readonly start: () => void;
}

export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions;
  readonly #idle: bigint[] = [];
  readonly #waiting = new Set<Waiting>();
  readonly #running = new Set<Promise<unknown>>();
  /** Places taken; from the moment they are given, not from that of the first call. */
  #busy = 0;
  #epoch = 0;
  /** Nothing is tried any more. */
  #refusal: AssayError | undefined;
  #problem: string | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** What was wrong with the last call, as long as none succeeded since. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Once more when the token had lost its sessions (taken out, restarted).
   * @throws deadline when the token does not answer in time, `unavailable` for what it refuses
   */
  async run<T>(work: SessionWork<T>, timeoutMs: number = this.#options.timeoutMs): Promise<T> {
    const { clock, token } = this.#options;
    if (this.#refusal !== undefined) throw this.#refusal;
    const late = Promise.withResolvers<never>();
    let given: Waiting | undefined;
    const cancel = clock.after(timeoutMs, () => {
      // What has not begun never will; what the module is busy with keeps its place until it comes back.
      if (given !== undefined) this.#waiting.delete(given);
      late.reject(
        fail("deadline", `pkcs11 token '${token}' did not answer within ${timeoutMs / 1000} s`),
      );
    });
    try {
      const turn = new Promise<void>((resolve, reject) => {
        if (this.#busy < MAX_CALLS) {
          this.#busy += 1;
          return resolve();
        }
        if (this.#waiting.size >= MAX_WAITING) {
          return reject(fail("unavailable", `pkcs11 token '${token}' does not keep up`));
        }
        given = { start: resolve };
        this.#waiting.add(given);
      });
      const result = await Promise.race([turn.then(() => this.#start(work)), late.promise]);
      this.#problem = undefined;
      return result;
    } catch (thrown) {
      const error = errorFrom(thrown);
      this.#problem = error.message;
      throw named(error, token);
    } finally {
      cancel();
    }
  }

  /** Waits for what the module is busy with, but not for one that hangs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#refusal ??= fail("unavailable", "the server is stopping");
    const { cryptoki, clock } = this.#options;
    let cancel = (): void => undefined;
    const patience = new Promise<void>((resolve) => {
      cancel = clock.after(CLOSE_MS, resolve);
    });
    const calm = Promise.allSettled(this.#running).then(async () => {
      for (const session of this.#idle.splice(0)) await cryptoki.answer("C_CloseSession", session);
    });
    await Promise.race([calm, patience]);
    cancel();
  }

  #start<T>(work: SessionWork<T>): Promise<T> {
    const running = this.#attempt(work);
    const settled = running
      .catch(() => undefined)
      .then(() => {
        this.#running.delete(settled);
        const [next] = this.#waiting;
        if (next === undefined) {
          this.#busy -= 1;
          return;
        }
        // It has the place from here on.
        this.#waiting.delete(next);
        next.start();
      });
    this.#running.add(settled);
    return running;
  }

  async #attempt<T>(work: SessionWork<T>): Promise<T> {
    try {
      return await this.#once(work);
    } catch (thrown) {
      if (!(thrown instanceof Pkcs11Error) || !STALE.has(thrown.rv)) throw thrown;
      this.#epoch += 1;
      const { cryptoki } = this.#options;
      for (const session of this.#idle.splice(0)) await cryptoki.answer("C_CloseSession", session);
      return this.#once(work);
    }
  }

  async #once<T>(work: SessionWork<T>): Promise<T> {
    const session = this.#idle.pop() ?? (await this.#open());
    const epoch = this.#epoch;
    try {
      const result = await work(session, epoch);
      // One of before the token came back is worth nothing.
      if (epoch === this.#epoch) this.#idle.push(session);
      else await this.#options.cryptoki.answer("C_CloseSession", session);
      return result;
    } catch (thrown) {
      // An operation may have been left half done in it.
      await this.#options.cryptoki.answer("C_CloseSession", session);
      throw thrown;
    }
  }

  async #open(): Promise<bigint> {
    const { cryptoki, token, pin } = this.#options;
    if (this.#refusal !== undefined) throw this.#refusal;
    const slot = await slotOf(cryptoki, token);
    const out = Buffer.alloc(8);
    await cryptoki.call("C_OpenSession", slot, CKF.serialSession | CKF.rwSession, null, null, out);
    const session = out.readBigUInt64LE();
    const rv = await cryptoki.answer("C_Login", session, CKU_USER, pin, pin.length);
    if (rv === CKR.ok || rv === CKR.userAlreadyLoggedIn) return session;
    await cryptoki.answer("C_CloseSession", session);
    const error = new Pkcs11Error("C_Login", rv);
    if (WRONG_PIN.has(rv)) {
      // Tokens lock themselves after a few of these.
      this.#refusal = fail(
        "precondition",
        `pkcs11 token '${token}' refuses the PIN, which is not tried again; correct it and restart`,
        { cause: error },
      );
      throw this.#refusal;
    }
    throw error;
  }
}

/** @throws unavailable when there is no such token now */
async function slotOf(cryptoki: Cryptoki, label: string): Promise<bigint> {
  const count = Buffer.alloc(8);
  await cryptoki.call("C_GetSlotList", 1, null, count);
  const slots = Buffer.alloc(8 * Math.min(MAX_SLOTS, Number(count.readBigUInt64LE())));
  count.writeBigUInt64LE(BigInt(slots.length / 8));
  await cryptoki.call("C_GetSlotList", 1, slots, count);
  const labels: string[] = [];
  for (let i = 0; i < Number(count.readBigUInt64LE()); i++) {
    const slot = slots.readBigUInt64LE(8 * i);
    const info = Buffer.alloc(TOKEN_INFO_BYTES);
    if ((await cryptoki.answer("C_GetTokenInfo", slot, info)) !== CKR.ok) continue;
    // Padded with blanks.
    const found = info.toString("utf8", 0, 32).trimEnd();
    if (found === label) return slot;
    labels.push(`'${found}'`);
  }
  const there = labels.length === 0 ? "no token" : labels.join(", ");
  throw fail("unavailable", `pkcs11 token '${label}' is not there; the module shows ${there}`);
}

function named(error: AssayError, token: string): AssayError {
  if (!(error instanceof Pkcs11Error)) return error;
  return fail("unavailable", `pkcs11 token '${token}': ${error.message}`, { cause: error });
}

/** Of libuv's four threads, so that a module that hangs leaves two for files and for other keys. */
const MAX_CALLS = 2;
const MAX_WAITING = 2000;
const MAX_SLOTS = 256;
/** CK_TOKEN_INFO has 208. */
const TOKEN_INFO_BYTES = 512;
const CLOSE_MS = 5000;
