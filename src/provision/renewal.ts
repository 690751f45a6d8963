import { type Clock, epochSeconds } from "../base/clock.ts";
import type { AssayError } from "../base/errors.ts";
import { Loop } from "../base/loop.ts";
import type { Random } from "../base/random.ts";
import {
  type HeldIdentity,
  type IdentitySource,
  nextIdentity,
  renewalTime,
  withNewAuthorities,
} from "./identity.ts";

export interface RenewalOptions {
  readonly source: IdentitySource;
  readonly first: HeldIdentity;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Writes the files and tells who reads them; a failure is tried again with another certificate. Also called for the
   * same certificate with other authorities.
   */
  readonly onRenewed: (identity: HeldIdentity) => Promise<void>;
  readonly onError: (error: AssayError, retryMs: number) => void;
}

/**
 * Renews an identity for as long as it runs, each time with the certificate of before and a new key. Between renewals it
 * asks for the authorities: those of the server's own certificate may follow each other faster than certificates do.
 */
export class Renewal implements AsyncDisposable {
  readonly #loop: Loop;

  constructor({ source, first, clock, random, onRenewed, onError }: RenewalOptions) {
    let current = first;
    let dueAt = renewalTime(first, random);
    let lookAt = first.obtainedAt + LOOK_SECONDS;
    this.#loop = new Loop({
      name: "renewal",
      clock,
      random,
      backoff: RETRY,
      onError,
      round: async (signal) => {
        const now = epochSeconds(clock);
        if (now >= dueAt) {
          const next = await nextIdentity(source, current, signal);
          await onRenewed(next);
          current = next;
          dueAt = renewalTime(next, random);
          lookAt = now + LOOK_SECONDS;
        } else if (now >= lookAt) {
          const same = await withNewAuthorities(source, current, signal);
          if (same !== undefined) await onRenewed(same);
          current = same ?? current;
          lookAt = now + LOOK_SECONDS;
        }
        // Looked at now and then: a machine that slept has a clock that jumped.
        const nextAt = Math.min(dueAt, lookAt);
        return Math.min(Math.max(0, (nextAt - epochSeconds(clock)) * 1000), WAKE_MS);
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
  }
}

const RETRY = { baseMs: 1000, maxMs: 60_000, jitter: 0.3 };
const WAKE_MS = 60_000;
/** Authorities are published 16 minutes before they sign at least, unless they live less than 96. */
const LOOK_SECONDS = 300;
