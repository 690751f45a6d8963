import { type Clock, epochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { Logger } from "../../observe/logger.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import { metered } from "../../observe/metered.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import { type BundleSource, type HeldDocument, fetchBundle } from "./fetch-bundle.ts";
import type { Turns } from "./turns.ts";

export interface BundleRefreshParams {
  readonly source: BundleSource;
  readonly bundles: Pick<BundleService, "find" | "set">;
  /** How many fetch at once. */
  readonly turns: Turns;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Of the first round: what many relationships ask of the network at a start is spread. */
  readonly firstDelayMs: number;
}

/** How the bundle of one domain is being kept. */
export interface RefreshStatus {
  readonly source: BundleSource;
  /** Milliseconds since the last fetch that went well, or since this process began to try. */
  readonly ageMs: number;
  /** Whether one went well in this process. */
  readonly isFetched: boolean;
  /** In a row. */
  readonly failures: number;
  /** Of the last round, if it failed. */
  readonly error?: string;
  /** Until the next round is due. */
  readonly nextMs: number;
  /** No round went well for so long that others would have missed a new authority. */
  readonly isLate: boolean;
  /** The domain has a bundle, and nothing in it can verify anything. */
  readonly isEmpty: boolean;
}

/** Keeps one foreign bundle fresh, and fails alone: the last good one stays, however long. */
export class BundleRefresh implements AsyncDisposable {
  readonly #params: BundleRefreshParams;
  readonly #fetches = new Serial();
  readonly #loop: Loop;
  readonly #logger: Logger;
  #goodAtMs: number;
  #isFetched = false;
  #failures = 0;
  #error: AssayError | undefined;
  #nextAtMs: number;
  #isFirst = true;
  #isFetching = false;
  /** What was fetched last, as it is stored. */
  #stored: { readonly bundle: Bundle; readonly document: HeldDocument } | undefined;

  constructor(params: BundleRefreshParams) {
    this.#params = params;
    const { source, clock, random } = params;
    this.#logger = params.logger.child({ trustDomain: source.trustDomain });
    this.#goodAtMs = clock.nowMs();
    this.#nextAtMs = this.#goodAtMs + params.firstDelayMs;
    this.#loop = new Loop({
      name: `bundle of ${source.trustDomain}`,
      clock,
      random,
      round: (signal) => this.#round(signal),
      backoff: { baseMs: RETRY_MS, maxMs: MAX_RETRY_MS, jitter: 0.3 },
      onError: (_, retryMs) => {
        this.#nextAtMs = clock.nowMs() + retryMs;
      },
    });
  }

  get source(): BundleSource {
    return this.#params.source;
  }

  status(): RefreshStatus {
    const now = this.#params.clock.nowMs();
    const ageMs = Math.max(0, now - this.#goodAtMs);
    const bundle = this.#params.bundles.find(this.source.trustDomain);
    return {
      source: this.source,
      ageMs,
      isFetched: this.#isFetched,
      failures: this.#failures,
      ...(this.#error === undefined ? {} : { error: this.#error.message }),
      nextMs: Math.max(0, this.#nextAtMs - now),
      isLate: this.#failures > 0 && ageMs > LATE_INTERVALS * intervalMs(bundle),
      isEmpty: bundle !== undefined && isEmpty(bundle, Math.floor(now / 1000)),
    };
  }

  /** Fetches now. @throws what the fetch does; the last good bundle stays */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.#fetch(signal);
    this.#nextAtMs = Math.min(this.#nextAtMs, this.#params.clock.nowMs() + this.#intervalMs());
  }

  /** A bundle that the endpoint can be verified with may have come. */
  bundleChanged(): void {
    // What this very fetch brought is none.
    if (this.#isFetching) return;
    if (this.#error?.kind === "precondition" || this.#error?.kind === "unauthenticated") {
      this.#loop.wake();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
  }

  async #round(signal: AbortSignal): Promise<number> {
    if (this.#isFirst) {
      this.#isFirst = false;
      if (this.#params.firstDelayMs > 0) return this.#params.firstDelayMs;
    }
    await this.#fetch(signal);
    const delayMs = this.#intervalMs();
    this.#nextAtMs = this.#params.clock.nowMs() + delayMs;
    return delayMs;
  }

  #intervalMs(): number {
    const bundle = this.#params.bundles.find(this.source.trustDomain);
    return intervalMs(bundle) * (1 - 0.1 * this.#params.random.unit());
  }

  #fetch(signal: AbortSignal): Promise<void> {
    const { metrics, turns } = this.#params;
    return this.#fetches.run(async () => {
      this.#isFetching = true;
      try {
        await turns.take(signal, () =>
          metered(metrics, SERVER_METRICS.federatedFetch, () => this.#take(signal)),
        );
      } catch (thrown) {
        if (!signal.aborted) this.#failed(errorFrom(thrown));
        throw thrown;
      } finally {
        this.#isFetching = false;
      }
      if (this.#failures > 0) this.#logger.info("foreign bundle is fetched again");
      this.#goodAtMs = this.#params.clock.nowMs();
      this.#isFetched = true;
      this.#failures = 0;
      this.#error = undefined;
    });
  }

  async #take(signal: AbortSignal): Promise<void> {
    const { source, bundles, clock, metrics } = this.#params;
    const before = bundles.find(source.trustDomain);
    const held = before !== undefined && before === this.#stored?.bundle ? this.#stored : undefined;
    const fetched = await fetchBundle({
      source,
      bundleOf: (trustDomain) => bundles.find(trustDomain),
      ...(held === undefined ? {} : { held: held.document }),
      clock,
      signal,
    });
    if (fetched === undefined) return;
    signal.throwIfAborted();
    // The store writes nothing when the content is the same.
    await bundles.set(fetched.bundle);
    const after = bundles.find(source.trustDomain);
    if (after !== undefined) this.#stored = { bundle: after, document: fetched.document };
    if (after === undefined || after === before) return;
    metrics.add(SERVER_METRICS.federatedUpdate);
    const { x509Authorities, jwtAuthorities, sequence } = after;
    const fields = { x509: x509Authorities.length, jwt: jwtAuthorities.length, sequence };
    if (isEmpty(after, epochSeconds(clock))) {
      this.#logger.warn("foreign bundle has no authority that is valid: nobody there is trusted", {
        ...fields,
      });
    } else {
      this.#logger.info("foreign bundle changed", fields);
    }
  }

  #failed(error: AssayError): void {
    this.#failures += 1;
    const isNews = this.#error?.message !== error.message;
    this.#error = error;
    const fields = { error, failures: this.#failures };
    // A domain that stays away for a day is one line, not hundreds.
    if (isNews) this.#logger.warn("foreign bundle was not fetched; the last one stays", fields);
    else this.#logger.debug("foreign bundle was not fetched again", fields);
  }
}

/** SPIFFE Federation §4.1: at its refresh hint; within bounds, so that no domain decides how busy this server is. */
function intervalMs(bundle: Bundle | undefined): number {
  const seconds = bundle === undefined || bundle.refreshHint === 0 ? 300 : bundle.refreshHint;
  return Math.min(Math.max(seconds, MIN_INTERVAL), MAX_INTERVAL) * 1000;
}

function isEmpty({ x509Authorities, jwtAuthorities }: Bundle, now: number): boolean {
  if (jwtAuthorities.length > 0) return false;
  return x509Authorities.every(({ der }) => parseCertificate(der).notAfter < now);
}

/** Seconds. */
const MIN_INTERVAL = 5;
const MAX_INTERVAL = 3600;
const RETRY_MS = 2000;
const MAX_RETRY_MS = 60_000;
/** An authority is published for more than three refresh hints before it signs. */
const LATE_INTERVALS = 3;
