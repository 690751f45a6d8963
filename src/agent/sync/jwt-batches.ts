import type { Clock } from "../../base/clock.ts";
import { AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import type { SignedJwt } from "../server-client/server-signer.ts";

/** Of one entry. */
export interface JwtOrder {
  readonly entryId: string;
  readonly audience: readonly string[];
}

export interface JwtServer {
  signJwtSvid(
    entryId: string,
    audience: readonly string[],
    signal: AbortSignal,
  ): Promise<SignedJwt>;
  /** One result for each order. @throws unsupported when the server knows of no batches */
  signJwtSvids(
    orders: readonly JwtOrder[],
    signal: AbortSignal,
  ): Promise<readonly (SignedJwt | AssayError)[]>;
}

export interface JwtBatchesOptions {
  readonly server: JwtServer;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly order: JwtOrder;
  readonly sinceMs: number;
  readonly resolve: (signed: SignedJwt) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Orders that come while others are at the server go there together: a call of its own costs the two of them far more
 * than a signature does. Nothing waits for company: an order that is alone goes at once.
 */
export class JwtBatches {
  readonly #options: JwtBatchesOptions;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;
  #isDue = false;
  /** The server may let an agent have fewer at once. */
  #batchSize = MAX_BATCH;
  /** Until when the server is not asked for a batch again. */
  #singlesUntilMs = 0;

  constructor(options: JwtBatchesOptions) {
    this.#options = options;
  }

  /** How many wait is bounded by whoever asks. @throws what the server says of this order, or of the call */
  sign(entryId: string, audience: readonly string[]): Promise<SignedJwt> {
    const { server, signal, clock } = this.#options;
    // A server without batches takes as many calls as it is given.
    if (clock.nowMs() < this.#singlesUntilMs) return server.signJwtSvid(entryId, audience, signal);
    const { promise, resolve, reject } = Promise.withResolvers<SignedJwt>();
    const sinceMs = clock.nowMs();
    this.#waiting.push({ order: { entryId, audience }, sinceMs, resolve, reject });
    this.#pump();
    return promise;
  }

  /** After whatever else came in the same turn of the loop. */
  #pump(): void {
    if (this.#isDue || this.#underWay >= CALLS_AT_ONCE || this.#waiting.length === 0) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#refuseLate();
      if (this.#waiting.length > 0) void this.#send(this.#waiting.splice(0, this.#batchSize));
      this.#pump();
    });
  }

  /** Those who have waited for longer than the server would have them wait. */
  #refuseLate(): void {
    const nowMs = this.#options.clock.nowMs();
    while (nowMs - (this.#waiting[0]?.sinceMs ?? nowMs) > MAX_WAIT_MS) {
      this.#waiting.shift()?.reject(fail("limited", "too many JWT-SVIDs are being signed; retry"));
    }
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#underWay += 1;
    try {
      const [first] = batch;
      if (batch.length === 1 && first !== undefined) await this.#sendOne(first);
      else await this.#sendAll(batch);
    } finally {
      this.#underWay -= 1;
      this.#pump();
    }
  }

  async #sendOne({ order, resolve, reject }: Waiting): Promise<void> {
    const { server, signal } = this.#options;
    await server.signJwtSvid(order.entryId, order.audience, signal).then(resolve, reject);
  }

  async #sendAll(batch: readonly Waiting[]): Promise<void> {
    const { server, signal, clock } = this.#options;
    try {
      const orders = batch.map(({ order }) => order);
      const results = await server.signJwtSvids(orders, signal);
      this.#batchSize = Math.min(MAX_BATCH, this.#batchSize * 2);
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result === undefined || result instanceof AssayError) reject(result);
        else resolve(result);
      }
    } catch (thrown) {
      if (isKind(thrown, "unsupported")) {
        this.#singlesUntilMs = clock.nowMs() + ASK_AGAIN_MS;
        await Promise.all(batch.map((each) => this.#sendOne(each)));
        return;
      }
      if (isKind(thrown, "limited")) {
        // More than it lets the agent have at once: smaller ones wait their turn there.
        this.#batchSize = Math.ceil(batch.length / 2);
        this.#waiting.unshift(...batch);
        return;
      }
      const error = errorFrom(thrown);
      for (const { reject } of batch) reject(error);
    }
  }
}

/** Measured with 16 callers: with two, agent and server take turns; with eight, there is less to each call. */
const CALLS_AT_ONCE = 4;
const MAX_BATCH = 64;
const MAX_WAIT_MS = 10_000;
/** The server may be another version by then. */
const ASK_AGAIN_MS = 5 * 60 * 1000;
