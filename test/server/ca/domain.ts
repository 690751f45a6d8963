/** A trust domain's authorities on a virtual clock, as the tests of several rooms need them. */
import { systemRandom } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { AuthoritySet, type AuthoritySetOptions } from "../../../src/server/ca/authority-set.ts";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import type { KeyManager } from "../../../src/server/keymanager/contract.ts";
import { openMemoryKeyManager } from "../../../src/server/keymanager/memory.ts";
import { selfSigned } from "../../../src/server/upstream/self.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { parseBundleRecord } from "../../../src/spiffe/bundle-document.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { NO_AUDIT } from "../../support/no-audit.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { until } from "../../support/patience.ts";

export const TRUST_DOMAIN: TrustDomain = TrustDomain.parse("example.org");
export const HOUR = 3600;
export const DAY = 24 * HOUR;

export class Domain implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly datastore: Datastore;
  /** Replaced by a test that loses the keys. */
  keyManager: KeyManager;

  private constructor(clock: VirtualClock, datastore: Datastore, keyManager: KeyManager) {
    this.clock = clock;
    this.datastore = datastore;
    this.keyManager = keyManager;
  }

  static async open(): Promise<Domain> {
    const clock = new VirtualClock();
    const store = { path: ":memory:", clock, logger: silentLogger };
    return new Domain(clock, await openSqliteDatastore(store), await openMemoryKeyManager());
  }

  get now(): number {
    return this.clock.nowMs() / 1000;
  }

  /** Moves the clock without running timers: rounds are called by hand. */
  pass(seconds: number): void {
    this.clock.step(seconds * 1000);
  }

  /** Moves the clock on, and waits for each round of a loop: keys are made on other threads, for which no clock waits. */
  async rounds(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= ROUND_MS) {
      await this.#roundIsOver();
      await this.clock.advance(Math.min(left, ROUND_MS));
    }
    await this.#roundIsOver();
  }

  #roundIsOver(): Promise<void> {
    return until("the round is over", () => this.clock.timers > 0, 1);
  }

  authorities(options: Partial<AuthoritySetOptions> = {}): Promise<AuthoritySet> {
    return AuthoritySet.open({
      name: "trust-domain",
      trustDomain: TRUST_DOMAIN,
      datastore: this.datastore,
      keyManager: this.keyManager,
      clock: this.clock,
      random: systemRandom,
      logger: silentLogger,
      audit: NO_AUDIT,
      upstream: selfSigned(systemRandom),
      x509: { keyType: "ec-p256", ttlSeconds: DAY },
      jwt: { keyType: "ec-p256", ttlSeconds: DAY },
      longestTtlSeconds: { x509: HOUR, jwt: 300 },
      ...options,
    });
  }

  async bundle(): Promise<Bundle> {
    const record = await this.datastore.bundles.get(TRUST_DOMAIN.name);
    if (record === undefined) throw new TypeError("there is no bundle yet");
    return parseBundleRecord(record.trustDomain, record.content, record.sequence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.keyManager[Symbol.asyncDispose]();
    await this.datastore[Symbol.asyncDispose]();
  }
}

const ROUND_MS = 10_000;
