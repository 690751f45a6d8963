import type { Clock, EpochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { connectUnix } from "../../rpc/channel.ts";
import type { X509SVIDResponse__Output } from "../../rpc/gen/X509SVIDResponse.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseX509Svid } from "../../spiffe/x509-svid.ts";
import { parseCertificates } from "../../x509/certificate.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";

/** An X.509-SVID of this process and the roots that it came with, as TLS takes them. */
export interface HeldIdentity {
  readonly spiffeId: string;
  readonly certPem: string;
  readonly keyPem: string;
  readonly rootsPem: string;
  /** Revocation lists of the trust domain, DER. */
  readonly crls: readonly Uint8Array[];
}

export interface WorkloadIdentityOptions {
  /** Path of an agent's Workload API socket. */
  readonly socket: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
}

/** This process as a workload of another agent: fetched when it is needed, held for half of its life. */
export class WorkloadIdentity {
  readonly #options: WorkloadIdentityOptions;
  #held: Held | undefined;

  constructor(options: WorkloadIdentityOptions) {
    this.#options = options;
  }

  /** The same object while it holds. @throws unavailable when the agent does not answer; denied; precondition */
  async current(signal: AbortSignal): Promise<HeldIdentity> {
    const now = this.#options.clock.nowMs() / 1000;
    if (this.#held === undefined || now >= this.#held.until) this.#held = await this.#fetch(signal);
    return this.#held.identity;
  }

  /** The next one is fetched anew. */
  forget(): void {
    this.#held = undefined;
  }

  async #fetch(signal: AbortSignal): Promise<Held> {
    const { socket, trustDomain, clock } = this.#options;
    const { svids, crl } = await this.#ask(signal);
    for (const { x509_svid, x509_svid_key, bundle } of svids) {
      const { spiffeId, certificates, expiresAt } = parseX509Svid(x509_svid, x509_svid_key);
      if (!spiffeId.memberOf(trustDomain)) continue;
      const now = clock.nowMs() / 1000;
      return {
        identity: {
          spiffeId: spiffeId.toString(),
          certPem: encodeCertificates(certificates.map(({ raw }) => raw)),
          keyPem: encodePem("PRIVATE KEY", x509_svid_key),
          rootsPem: encodeCertificates(parseCertificates(bundle).map(({ raw }) => raw)),
          crls: crl.map((der) => new Uint8Array(der)),
        },
        until: now + (expiresAt - now) / 2,
      };
    }
    throw fail(
      "precondition",
      `the agent at ${socket} gives this server no identity of trust domain ${trustDomain.name}; make a downstream entry for it there`,
    );
  }

  async #ask(signal: AbortSignal): Promise<X509SVIDResponse__Output> {
    const { socket } = this.#options;
    using channel = connectUnix(socket);
    const metadata = { "workload.spiffe.io": "true" };
    try {
      using stream = channel.stream<object, X509SVIDResponse__Output>(
        "SpiffeWorkloadAPI",
        "FetchX509SVID",
        { signal, metadata },
      );
      stream.send({}).catch(() => undefined); // iterating throws what went wrong
      stream.end();
      for await (const response of stream) return response;
    } catch (thrown) {
      const { kind, message } = errorFrom(thrown);
      // An entry may be on its way to the agent, which often starts at the same time.
      const step = kind === "denied" ? "; it needs a downstream entry there" : "";
      throw fail(
        kind === "denied" ? "unavailable" : kind,
        `agent at ${socket}: ${message}${step}`,
        {
          cause: thrown,
        },
      );
    }
    throw fail("unavailable", `the agent at ${socket} ended the stream without an answer`);
  }
}

interface Held {
  readonly identity: HeldIdentity;
  readonly until: EpochSeconds;
}
