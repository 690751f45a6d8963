import type { Issuance } from "../issuance/issuance.ts";
import { metered } from "../../observe/metered.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Logger } from "../../observe/logger.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { errorFrom, isKind } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import { generateKey } from "../../keys/software-signer.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";

export interface ServerIdentityOptions {
  readonly issuance: Pick<Issuance, "serverX509">;
  /** Whose key signed the SVID, and whether it is still the one that signs. */
  readonly authorities: {
    records(kind: "x509"): readonly { readonly id: string; readonly status: string }[];
  };
  /** By the id of the authority that signed, hex, and the serial number. */
  readonly isRevoked: (authorityId: string, serial: string) => boolean;
  /** Of the SVID; absent: none. */
  readonly dnsNames?: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Certificate chain and key as TLS takes them. The key is never stored. */
export interface ServerCredentials {
  readonly certPem: string;
  readonly keyPem: string;
}

interface Held extends ServerCredentials {
  /** Leaf first. */
  readonly chain: readonly Certificate[];
  /** Subject key identifier of the authority that signed, hex. */
  readonly authorityId: string | undefined;
  readonly renewAt: EpochSeconds;
}

/**
 * The server's own SVID: made at the start with a new key, made again at half its life, when it is revoked, and soon
 * after another authority took over: only an authority that no longer signs can be tainted, so a taint finds the SVID
 * moved already.
 */
export class ServerIdentity implements AsyncDisposable {
  readonly #options: ServerIdentityOptions;
  readonly #loop: Loop;
  #held: Held | undefined;
  /** Why there was none at the last try; said once. */
  #trouble: string | undefined;

  private constructor(options: ServerIdentityOptions, held: Held | undefined, trouble?: string) {
    this.#options = options;
    this.#held = held;
    this.#trouble = trouble;
    this.#loop = new Loop({
      name: "server SVID",
      clock: options.clock,
      random: options.random,
      round: () => this.#round(),
      backoff: { maxMs: 30_000 },
      onError: (error, retryMs) => {
        const level = error.message === this.#trouble ? "debug" : "error";
        this.#trouble = error.message;
        options.logger[level]("server SVID could not be renewed", { error, retryMs });
      },
    });
  }

  /** Without an authority that can sign (an upstream's first one has to come yet) there is no SVID until there is. */
  static async create(options: ServerIdentityOptions): Promise<ServerIdentity> {
    try {
      return new ServerIdentity(options, await make(options));
    } catch (error) {
      if (!isKind(error, "unavailable")) throw error;
      // What is to be done is said where the authorities are.
      options.logger.warn("no server SVID yet; agents are turned away until an authority can sign");
      return new ServerIdentity(options, undefined, errorFrom(error).message);
    }
  }

  /** `undefined` while there is none. */
  current(): ServerCredentials | undefined {
    return this.#held;
  }

  /** Why TLS callers are turned away, while they are. */
  get problem(): string | undefined {
    return this.#held === undefined ? "there is no server SVID yet" : undefined;
  }

  /** The SVID as it is served now, leaf first. */
  get chain(): readonly Certificate[] {
    return this.#held?.chain ?? [];
  }

  /** Looks at once whether the SVID and the authority behind it still stand. */
  authoritiesChanged(): void {
    this.#loop.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
  }

  async #round(): Promise<number> {
    if (this.#isDue()) {
      const { metrics } = this.#options;
      this.#held = await metered(metrics, SERVER_METRICS.svidRotate, () => make(this.#options));
      this.#trouble = undefined;
      this.#options.logger.info("server SVID renewed");
    }
    const untilRenewal = ((this.#held?.renewAt ?? 0) - epochSeconds(this.#options.clock)) * 1000;
    return Math.min(Math.max(untilRenewal, MIN_ROUND_MS), MAX_ROUND_MS);
  }

  #isDue(): boolean {
    const held = this.#held;
    if (held === undefined || epochSeconds(this.#options.clock) >= held.renewAt) return true;
    const { authorities, isRevoked } = this.#options;
    const serial = held.chain[0]?.serial ?? "";
    if (isRevoked(held.authorityId ?? "", serial)) return true;
    const authority = authorities.records("x509").find(({ id }) => id === held.authorityId);
    return authority?.status !== "active";
  }
}

async function make({ issuance, dnsNames = [], clock }: ServerIdentityOptions): Promise<Held> {
  const { signer, pkcs8 } = await generateKey("ec-p256");
  const { chain, expiresAt } = await issuance.serverX509({
    publicKey: signer.publicKey,
    dnsNames,
  });
  const certificates = chain.map(parseCertificate);
  const [leaf] = certificates;
  if (leaf === undefined) throw new TypeError("an issued chain has a leaf");
  const now = epochSeconds(clock);
  return {
    certPem: encodeCertificates(chain),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
    chain: certificates,
    authorityId: leaf.authorityKeyId,
    renewAt: now + Math.floor((expiresAt - now) / 2),
  };
}

const MIN_ROUND_MS = 1000;
/** However long an SVID lives, its authority is looked at this often. */
const MAX_ROUND_MS = 60_000;
