import { addressKey } from "../../base/address-key.ts";
import type { Clock } from "../../base/clock.ts";
import { type CallerStore, callerOf } from "./caller.ts";
import { type Rate, RateLimit } from "./rate-limit.ts";

export interface LimitRates {
  /** Attestations a second and remote address; 0 = unlimited. */
  readonly attestPerSecond: number;
  /** Signatures a second and agent; 0 = unlimited. */
  readonly signPerSecond: number;
}

export interface LimitsOptions extends LimitRates {
  readonly clock: Clock;
}

/** What a remote address may ask for, and an agent once it is known. Callers on the admin socket are not limited. */
export class Limits {
  readonly #attest: RateLimit;
  readonly #sign: RateLimit;
  readonly #report: RateLimit;
  readonly #explain: RateLimit;

  constructor({ clock, ...rates }: LimitsOptions) {
    this.#attest = new RateLimit({ ...attestRate(rates), clock });
    this.#sign = new RateLimit({ ...signRate(rates), clock });
    this.#report = new RateLimit({
      perSecond: REPORTS_PER_SECOND,
      burst: REPORTS_PER_SECOND,
      clock,
    });
    this.#explain = new RateLimit({
      perSecond: EXPLANATIONS_PER_SECOND,
      burst: EXPLANATIONS_PER_SECOND,
      clock,
    });
  }

  /** The rates of attestations and signatures from now on. */
  setRates(rates: LimitRates): void {
    this.#attest.setRate(attestRate(rates));
    this.#sign.setRate(signRate(rates));
  }

  /** @throws limited */
  attest(call: LimitedCall): Promise<void> {
    return take(this.#attest, call, 1);
  }

  /** @param count how many signatures the call asks for. @throws limited */
  sign(call: LimitedCall, count: number): Promise<void> {
    return take(this.#sign, call, count);
  }

  /** @throws limited */
  report(call: LimitedCall): Promise<void> {
    return take(this.#report, call, 1);
  }

  /** @throws limited */
  explain(call: LimitedCall): Promise<void> {
    return take(this.#explain, call, 1);
  }
}

export interface LimitedCall extends CallerStore {
  readonly signal: AbortSignal;
}

function attestRate({ attestPerSecond }: LimitRates): Rate {
  return { perSecond: attestPerSecond, burst: Math.max(attestPerSecond, ATTEST_BURST) };
}

function signRate({ signPerSecond }: LimitRates): Rate {
  return { perSecond: signPerSecond, burst: signPerSecond };
}

async function take(limit: RateLimit, call: LimitedCall, count: number): Promise<void> {
  const { id, remoteAddress } = callerOf(call);
  if (remoteAddress === undefined) return;
  // Agents behind one address (NAT, a proxy) take nothing from each other.
  await limit.take(id?.toString() ?? addressKey(remoteAddress), count, call.signal);
}

/** Agents of one network behind one address may start together. */
const ATTEST_BURST = 10;
const REPORTS_PER_SECOND = 10;
/** A person asks; each looks at every entry. */
const EXPLANATIONS_PER_SECOND = 10;
