/** What a start of the server opens its parts with, one step after the other. */
import type { Clock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";

export type Step = <T>(name: string, work: () => T | Promise<T>) => Promise<T>;

export interface Start {
  readonly config: ServerConfig;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What is open, taken down in the opposite order. */
  readonly started: AsyncDisposableStack;
  /** Runs a step; an error names it. */
  readonly step: Step;
}

/** @param signal ends the start at the next step. */
export function steps(signal: AbortSignal | undefined): Step {
  return async (name, work) => {
    if (signal?.aborted === true) throw fail("cancelled", "the server was stopped as it started");
    try {
      return await work();
    } catch (thrown) {
      const error = errorFrom(thrown);
      throw fail(error.kind, `server cannot start: ${name}: ${error.message}`, { cause: thrown });
    }
  };
}
