import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { Proof, ProofSource } from "./proof.ts";
import type { Obtained, Requester } from "./request.ts";

export interface RenewalOptions {
  readonly first: Obtained;
  readonly source: ProofSource;
  readonly requester: Pick<Requester, "request">;
  readonly clock: Clock;
  readonly random: Random;
  readonly onRenewed: (certificate: Obtained) => void;
  /** One line for each new sentence. */
  readonly note: (message: string) => void;
}

/** Renews a certificate before it ends, by the proof of before, or where that counts once by the certificate itself. */
export class Renewal implements AsyncDisposable {
  readonly #options: RenewalOptions;
  readonly #loop: Loop;
  #held: Obtained;
  #noted = "";

  constructor(options: RenewalOptions) {
    const { first, clock, random } = options;
    this.#options = options;
    this.#held = first;
    this.#loop = new Loop({
      name: "renewal",
      clock,
      random,
      backoff: RETRY,
      round: (signal) => this.#round(signal),
      onError: ({ message }) => this.#note(message),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { requester, onRenewed, clock } = this.#options;
    const waitMs = this.#dueAtMs() - clock.nowMs();
    if (waitMs > 0) return waitMs;
    this.#held = await requester.request(await this.#proof(), signal);
    onRenewed(this.#held);
    this.#noted = "";
    return Math.max(LEAST_WAIT_MS, this.#dueAtMs() - clock.nowMs());
  }

  /** A moment from three fifths to two thirds of its life, so that replicas do not come all at once. */
  #dueAtMs(): number {
    const { since, expiresAt, serialNumber } = this.#held;
    const spread = Number.parseInt(serialNumber.slice(-4), 16) / 0xffff / 15;
    return (since + (expiresAt - since) * (3 / 5 + spread)) * 1000;
  }

  async #proof(): Promise<Proof> {
    const { source } = this.#options;
    const { way } = source;
    return way === "once" ? source.withCertificate(this.#held) : source.proof();
  }

  #note(message: string): void {
    if (message !== this.#noted) this.#options.note(message);
    this.#noted = message;
  }
}

const RETRY = { maxMs: 60_000 };
const LEAST_WAIT_MS = 1000;
