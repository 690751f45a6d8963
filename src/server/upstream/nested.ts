/**
 * Another server of the same trust domain, Assay's or SPIRE's, by its downstream API: this server is a workload of an
 * agent of that one, and its entry there has the right `downstream`.
 */
import type { Clock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { type Channel, connectTls } from "../../rpc/channel.ts";
import type { NewDownstreamX509CAResponse__Output } from "../../rpc/gen/spire/api/server/svid/v1/NewDownstreamX509CAResponse.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { JwtAuthority } from "../../spiffe/bundle.ts";
import { serverId } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { revokedServer, wrongServer } from "../../spiffe/server-leaf.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { CaRequest, SignedCa, Upstream, UpstreamBundle } from "./contract.ts";
import { requestFor } from "./request.ts";
import { type HeldIdentity, WorkloadIdentity } from "./workload-identity.ts";

export interface NestedUpstreamOptions {
  /** `host:port` of the upstream server. */
  readonly server: string;
  /** Path of the Workload API socket of an agent of that server. */
  readonly workloadApiSocket: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
}

export function nestedUpstream(options: NestedUpstreamOptions): Upstream {
  const server = new UpstreamServer(options);
  return {
    authority: {
      name: "nested",
      sign: (request, signal) => server.sign(request, signal),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    },
    watch: { pollMs: POLL_MS, isWhole: true, look: (signal) => server.look(signal) },
    jwtKeys: { publish: (key, signal) => server.publish(key, signal) },
  };
}

class UpstreamServer implements AsyncDisposable {
  readonly #options: NestedUpstreamOptions;
  readonly #identity: WorkloadIdentity;
  #line: { readonly identity: HeldIdentity; readonly channel: Channel } | undefined;

  constructor(options: NestedUpstreamOptions) {
    const { workloadApiSocket: socket, trustDomain, clock } = options;
    this.#options = options;
    this.#identity = new WorkloadIdentity({ socket, trustDomain, clock });
  }

  async sign({ key, trustDomain, ttlSeconds }: CaRequest, signal: AbortSignal): Promise<SignedCa> {
    const csr = await requestFor(key, { trustDomain });
    const answer = await this.#call<NewDownstreamX509CAResponse__Output>(
      "svid.v1.SVID",
      "NewDownstreamX509CA",
      { csr: Buffer.from(csr), preferred_ttl: ttlSeconds },
      signal,
    );
    return { chain: answer.ca_cert_chain, roots: answer.x509_authorities };
  }

  async look(signal: AbortSignal): Promise<UpstreamBundle> {
    const { trustDomain } = this.#options;
    const bundle = await this.#call<Bundle__Output>("bundle.v1.Bundle", "GetBundle", {}, signal);
    if (bundle.trust_domain !== trustDomain.name) {
      throw fail("precondition", `the upstream server is of trust domain ${bundle.trust_domain}`);
    }
    return {
      x509Authorities: bundle.x509_authorities.map(({ asn1, tainted }) => {
        parseCertificate(asn1);
        return { der: asn1, tainted };
      }),
      jwtAuthorities: bundle.jwt_authorities.map((key) => ({
        keyId: key.key_id,
        publicKey: key.public_key,
        expiresAt: Number(key.expires_at),
        tainted: key.tainted,
      })),
    };
  }

  async publish({ keyId, publicKey, expiresAt }: JwtAuthority, signal: AbortSignal): Promise<void> {
    await this.#call(
      "bundle.v1.Bundle",
      "PublishJWTAuthority",
      {
        jwt_authority: {
          key_id: keyId,
          public_key: Buffer.from(publicKey),
          expires_at: expiresAt,
        },
      },
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#line?.channel.close();
    this.#line = undefined;
  }

  async #call<Response extends object>(
    service: string,
    method: string,
    request: object,
    signal: AbortSignal,
  ): Promise<Response> {
    const { server } = this.#options;
    try {
      const channel = await this.#channel(signal);
      return await channel.unary<Response>(`spire.api.server.${service}`, method, request, {
        signal,
      });
    } catch (thrown) {
      // The next call begins with today's SVID and roots: the upstream server may have rotated, or forgotten us.
      this.#identity.forget();
      const error = errorFrom(thrown);
      throw fail(error.kind, `upstream server ${server}: ${error.message}`, { cause: thrown });
    }
  }

  async #channel(signal: AbortSignal): Promise<Channel> {
    const identity = await this.#identity.current(signal);
    if (this.#line?.identity === identity) return this.#line.channel;
    this.#line?.channel.close();
    const { server, trustDomain } = this.#options;
    const expected = serverId(trustDomain).toString();
    const channel = connectTls({
      target: server,
      rootsPem: identity.rootsPem,
      untrusted: "its certificate is signed by no authority of the bundle that the agent gave",
      identity,
      checkServer: (leaf, chain) => wrongServer(leaf, expected) ?? revokedServer(chain, identity),
    });
    this.#line = { identity, channel };
    return channel;
  }
}

/** As often as SPIRE's servers look. */
const POLL_MS = 5000;
